//! `[storage]`: the data folder and the database.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

/// When SQLite waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Synchronous {
    /// At every commit: what was acknowledged survives a power cut.
    Full,
    /// Now and then: what was acknowledged survives a crash of the program, not always one of the machine.
    Normal,
}

/// `[storage]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorageSection {
    /// Where everything is kept: SQLite's file, the master key, compiled plugins, the sandbox's state.
    pub data: PathBuf,
    /// `postgres://…`, or `sqlite:PATH`; absent: `portico.db` in the data folder.
    pub database: Option<String>,
    /// Connections to the database (readers, for SQLite).
    pub connections: u32,
    /// When SQLite waits for the disk.
    pub synchronous: Synchronous,
}

impl Default for StorageSection {
    fn default() -> Self {
        Self { data: "portico-data".into(), database: None, connections: 8, synchronous: Synchronous::Full }
    }
}

/// Two at least, so that one long transaction does not stop everything. Postgres serves 100 unless it is told otherwise.
const CONNECTIONS: RangeInclusive<u32> = 2..=500;

impl StorageSection {
    pub(super) fn validate(&self) -> Result<()> {
        ensure!(CONNECTIONS.contains(&self.connections), "storage.connections must be 2 to 500");
        Ok(())
    }
}
