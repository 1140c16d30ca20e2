//! `[plugins]`: plugins beside the built-in ones, and what calls of plugins may use.

use std::path::PathBuf;

use portico_runtime::Limits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[plugins]`
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PluginsSection {
    /// A folder of further plugins (*.wasm); each needs an id and a mount of its own.
    #[schemars(example = "/etc/portico/plugins")]
    pub dir: Option<PathBuf>,
    /// A folder of compiled plugins that several gateways of the same user share. Nobody else may be able to write to it, or it is
    /// not used. Absent: the data folder.
    #[schemars(example = "/var/cache/portico")]
    pub compiled: Option<PathBuf>,
    /// What calls of plugins may use.
    #[serde(flatten)]
    pub limits: Limits,
}
