//! Pages of lists.

use serde::{Deserialize, Serialize};

/// Some rows and the way to the next ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page<T> {
    /// The rows, newest first.
    pub items: Vec<T>,
    /// Pass as `cursor` for the rows after these; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<String>,
    /// The number of rows of the whole list, counted up to a limit; there if `total=true` was asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub total: Option<u64>,
}
