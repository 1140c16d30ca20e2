//! What the store is told: the URL and its limits, each with a default.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::OpenError;

/// How the store is opened.
#[derive(Clone)]
pub struct StoreConfig {
    /// `sqlite:PATH` (made when it is missing; its folder must exist) or `postgres://USER:PASSWORD@HOST/NAME`.
    pub url: String,
    /// SQLite: when a commit counts as durable.
    pub synchronous: Synchronous,
    /// SQLite: connections for reading. One more is for writing.
    pub sqlite_readers: u32,
    /// Postgres: connections in all.
    pub postgres_connections: u32,
    /// How long a statement waits for a lock held by somebody else.
    pub busy_timeout: Duration,
    /// How long an operation waits for a free connection; on SQLite, for its turn to write.
    pub acquire_timeout: Duration,
    /// SQLite: transactions that share one commit at most.
    pub transactions_per_commit: usize,
}

/// SQLite: when a commit counts as durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
            url: "sqlite:portico.db".to_owned(),
            synchronous: Synchronous::Full,
            sqlite_readers: 4,
            postgres_connections: 16,
            busy_timeout: Duration::from_secs(5),
            acquire_timeout: Duration::from_secs(10),
            transactions_per_commit: 256,
        }
    }
}

/// Hides the URL, which may carry a password.
impl std::fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = self.url.split(':').next().unwrap_or_default();
        f.debug_struct("StoreConfig").field("url", &format_args!("{scheme}:…")).finish_non_exhaustive()
    }
}

/// What a URL points to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A file.
    Sqlite(PathBuf),
    /// A server.
    Postgres,
}

impl StoreConfig {
    /// The default limits with that database.
    pub fn at(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }

    /// Reads the URL and checks the limits.
    pub(crate) fn check(&self) -> Result<Target, OpenError> {
        let least =
            |field, value: u64, least| if value < least { Err(OpenError::BadLimit { field, least }) } else { Ok(()) };
        least("store.sqlite_readers", self.sqlite_readers.into(), 1)?;
        // Two, so that one long transaction does not stop everything.
        least("store.postgres_connections", self.postgres_connections.into(), 2)?;
        least("store.transactions_per_commit", self.transactions_per_commit as u64, 1)?;
        target(&self.url)
    }
}

fn target(url: &str) -> Result<Target, OpenError> {
    let bad = |why: &str| Err(OpenError::BadUrl { why: why.to_owned() });
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(Target::Postgres);
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
    Ok(Target::Sqlite(path.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_url_are_read() {
        for url in ["sqlite:/var/lib/portico/portico.db", "sqlite:///var/lib/portico/portico.db"] {
            assert_eq!(target(url).unwrap(), Target::Sqlite("/var/lib/portico/portico.db".into()), "{url}");
        }
        assert_eq!(target("sqlite:portico.db").unwrap(), Target::Sqlite("portico.db".into()));
        assert_eq!(target("postgres://u@localhost/portico").unwrap(), Target::Postgres);
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
