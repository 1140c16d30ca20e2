//! Settings of the store: section `[storage]` of the configuration.

use std::path::{Path, PathBuf};
use std::time::Duration;

use portico_core::setting::Seconds;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::OpenError;

/// How the store is opened.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct StoreConfig {
    /// Where the database is. No setting of its own: the gateway makes it out of data folder and URL.
    #[serde(skip)]
    pub location: Location,
    /// SQLite: when a commit counts as durable. With `full`, what was acknowledged survives a power cut.
    pub synchronous: Synchronous,
    /// SQLite: connections for reading. One more is for writing.
    #[schemars(range(min = 1, max = 500))]
    pub sqlite_readers: u32,
    /// Postgres: connections in all. Two at least, so that one long transaction does not stop everything; a server takes 100
    /// unless it is told otherwise.
    #[schemars(range(min = 2, max = 500))]
    pub postgres_connections: u32,
    /// How long a statement waits for a lock held by somebody else, in seconds.
    #[serde(rename = "busy_timeout_s", with = "Seconds")]
    #[schemars(range(min = 1, max = 600))]
    pub busy_timeout: Duration,
    /// How long a transaction waits to begin: on SQLite for a database thread, on Postgres for a free connection; in seconds.
    #[serde(rename = "acquire_timeout_s", with = "Seconds")]
    #[schemars(range(min = 1, max = 600))]
    pub acquire_timeout: Duration,
    /// SQLite: transactions that share one commit at most.
    #[schemars(range(min = 1))]
    pub transactions_per_commit: usize,
    /// SQLite: transactions that wait for the writing thread at most. Further callers wait for a place among them.
    #[schemars(range(min = 1))]
    pub write_queue: usize,
    /// SQLite: transactions that wait for a reading thread at most. Further callers wait for a place among them.
    #[schemars(range(min = 1))]
    pub read_queue: usize,
    /// Access keys kept in memory at most.
    #[schemars(range(min = 1))]
    pub keys_cached: usize,
    /// Devices kept in memory at most.
    #[schemars(range(min = 1))]
    pub devices_cached: usize,
    /// SQLite: tenants whose subscriptions are kept in memory at most.
    #[schemars(range(min = 1))]
    pub tenants_cached: usize,
}

/// Where a database is.
#[derive(Clone)]
pub enum Location {
    /// An SQLite file, whatever stands in its path. Made when it is missing; its folder must exist.
    File(PathBuf),
    /// `sqlite:PATH` for such a file, or `postgres://USER:PASSWORD@HOST/NAME`.
    Url(String),
}

/// SQLite: when a commit counts as durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Synchronous {
    /// When the disk has it: nothing is lost when the power fails.
    #[default]
    Full,
    /// When the operating system has it: faster; the newest commits may be lost when the power fails, never when only the
    /// gateway dies. A lost Signal key can make a message undecryptable.
    Normal,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            location: Location::File("portico.db".into()),
            synchronous: Synchronous::Full,
            sqlite_readers: 8,
            postgres_connections: 16,
            busy_timeout: Duration::from_secs(5),
            acquire_timeout: Duration::from_secs(10),
            transactions_per_commit: 256,
            write_queue: 1024,
            read_queue: 1024,
            keys_cached: 10_000,
            devices_cached: 10_000,
            tenants_cached: 1_000,
        }
    }
}

impl std::fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreConfig").field("location", &self.location).finish_non_exhaustive()
    }
}

/// Hides the URL, which may carry a password.
impl std::fmt::Debug for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Url(url) => write!(f, "Url({}:…)", url.split(':').next().unwrap_or_default()),
        }
    }
}

/// Which database it is. Prints in tests only: the URL may carry a password.
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
pub(crate) enum Target<'c> {
    /// A file.
    Sqlite(&'c Path),
    /// A server, by its URL.
    Postgres(&'c str),
}

impl StoreConfig {
    /// The default limits with that database.
    pub fn at(url: impl Into<String>) -> Self {
        Self { location: Location::Url(url.into()), ..Self::default() }
    }

    /// Reads the URL, if it is one, and checks the limits.
    pub(crate) fn check(&self) -> Result<Target<'_>, OpenError> {
        let least =
            |field, value: u64, least| if value < least { Err(OpenError::BadLimit { field, least }) } else { Ok(()) };
        least("store.sqlite_readers", self.sqlite_readers.into(), 1)?;
        // Two, so that one long transaction does not stop everything.
        least("store.postgres_connections", self.postgres_connections.into(), 2)?;
        for (field, value) in [
            ("store.transactions_per_commit", self.transactions_per_commit),
            ("store.write_queue", self.write_queue),
            ("store.read_queue", self.read_queue),
            ("store.keys_cached", self.keys_cached),
            ("store.devices_cached", self.devices_cached),
            ("store.tenants_cached", self.tenants_cached),
        ] {
            least(field, value as u64, 1)?;
        }
        match &self.location {
            Location::File(path) => Ok(Target::Sqlite(path)),
            Location::Url(url) => target(url),
        }
    }
}

fn target(url: &str) -> Result<Target<'_>, OpenError> {
    let bad = |why: &str| Err(OpenError::BadUrl { why: why.to_owned() });
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(Target::Postgres(url));
    }
    let Some(path) = url.strip_prefix("sqlite:") else {
        return bad("it starts with neither `sqlite:` nor `postgres://`");
    };
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.contains('?') {
        return bad("parameters after `?` are not read; each has a setting of its own");
    }
    if path.is_empty() || path.ends_with('/') || path.starts_with(":memory:") {
        return bad("it names no file, and a database in memory would forget every paired device");
    }
    Ok(Target::Sqlite(Path::new(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_url_are_read() {
        for url in ["sqlite:/var/lib/portico/portico.db", "sqlite:///var/lib/portico/portico.db"] {
            assert_eq!(target(url).unwrap(), Target::Sqlite(Path::new("/var/lib/portico/portico.db")), "{url}");
        }
        assert_eq!(target("sqlite:portico.db").unwrap(), Target::Sqlite(Path::new("portico.db")));
        let server = "postgres://u@localhost/portico";
        assert_eq!(target(server).unwrap(), Target::Postgres(server));
    }

    #[test]
    fn what_cannot_work_is_refused_without_showing_the_url() {
        for url in [
            "",
            "mysql://u:secret-word@h/d",
            "sqlite:",
            "sqlite::memory:",
            "sqlite:/data/",
            "sqlite:a.db?mode=secret-word",
        ] {
            let error = target(url).unwrap_err().to_string();
            assert!(!error.contains("secret-word"), "{error}");
        }
    }

    #[test]
    fn a_limit_of_zero_is_refused() {
        let config = StoreConfig { sqlite_readers: 0, ..StoreConfig::default() };
        assert!(config.check().unwrap_err().to_string().contains("store.sqlite_readers"));
    }

    #[test]
    fn debug_output_hides_the_password() {
        let shown = format!("{:?}", StoreConfig::at("postgres://u:secret-word@h/d"));
        assert!(!shown.contains("secret-word"), "{shown}");
    }
}
