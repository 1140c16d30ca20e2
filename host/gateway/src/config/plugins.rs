//! `[plugins]`: plugins beside the built-in ones.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[plugins]`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PluginsSection {
    /// A folder of further components (`*.wasm`); each needs an id and a mount of its own.
    pub dir: Option<PathBuf>,
}
