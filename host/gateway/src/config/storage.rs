//! `[storage]`: the data folder and the database.

use std::path::PathBuf;

use portico_store::{Location, StoreConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[storage]`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct StorageSection {
    /// Folder for the database, the master key, compiled plugins and the sandbox's state.
    pub data: PathBuf,
    /// Another database than `portico.db` in that folder: `postgres://…`, or `sqlite:PATH`.
    #[schemars(example = "postgres://USER:PASSWORD@HOST/NAME")]
    pub database: Option<String>,
    /// Connections, durability and timeouts.
    #[serde(flatten)]
    pub store: StoreConfig,
}

impl Default for StorageSection {
    fn default() -> Self {
        Self { data: "portico-data".into(), database: None, store: StoreConfig::default() }
    }
}

impl StorageSection {
    /// What the store is opened with.
    pub(crate) fn to_store_config(&self) -> StoreConfig {
        let location = match &self.database {
            Some(url) => Location::Url(url.clone()),
            None => Location::File(self.data.join("portico.db")),
        };
        StoreConfig { location, ..self.store.clone() }
    }
}
