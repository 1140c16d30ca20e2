//! The lock that keeps a second gateway off an SQLite database.
//!
//! Two gateways on one file would both run its devices, and WhatsApp would throw both out. The operating system drops the
//! lock when the process ends, however it ends; the file itself stays and means nothing.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::OpenError;

/// The name of the lock file, in the folder of the database.
pub const LOCK_FILE: &str = "portico.lock";

/// Readable and writable by the gateway's user only: the database holds every account's keys.
const PRIVATE: u32 = 0o600;

/// Takes the lock of the database's folder and makes sure that the database file exists and is private. The lock is held
/// as long as the file that comes back is open.
pub(crate) fn take(database: &Path) -> Result<File, OpenError> {
    let path = folder(database)?.join(LOCK_FILE);
    let lock = open_private(&path)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { path }),
        Err(TryLockError::Error(source)) => return Err(OpenError::File { doing: "lock", path, source }),
    }
    // SQLite gives its `-wal` and `-shm` files the mode of the database.
    open_private(database)?;
    Ok(lock)
}

/// The folder of the database, which must exist.
pub(crate) fn folder(database: &Path) -> Result<&Path, OpenError> {
    let folder = match database.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(OpenError::Missing {
            what: format!("the database's folder {}", folder.display()),
            remedy: "create it, writable for the gateway's user, or correct the database URL",
        });
    }
    Ok(folder)
}

/// Whether a gateway holds the lock. Makes nothing.
pub(crate) fn is_held(database: &Path) -> Result<bool, OpenError> {
    let path = folder(database)?.join(LOCK_FILE);
    let lock = match File::open(&path) {
        Ok(lock) => lock,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(OpenError::File { doing: "open", path, source }),
    };
    // Shared, so that two who look don't take each other for a gateway; gone with the file at the end.
    match lock.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(source)) => Err(OpenError::File { doing: "look at the lock", path, source }),
    }
}

fn open_private(path: &Path) -> Result<File, OpenError> {
    let failed = |doing, source| OpenError::File { doing, path: PathBuf::from(path), source };
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(PRIVATE)
        .open(path)
        .map_err(|e| failed("open", e))?;
    let mode = file.metadata().map_err(|e| failed("look at", e))?.permissions().mode();
    if mode & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(PRIVATE)).map_err(|e| failed("protect", e))?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_private_even_if_they_were_not() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("portico.db");
        std::fs::write(&database, "").unwrap();
        std::fs::set_permissions(&database, Permissions::from_mode(0o644)).unwrap();
        let _lock = take(&database).unwrap();
        for name in ["portico.db", LOCK_FILE] {
            let mode = std::fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, PRIVATE, "{name}");
        }
    }

    #[test]
    fn a_second_taker_is_refused_until_the_first_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("portico.db");
        let first = take(&database).unwrap();
        let error = take(&database).unwrap_err();
        assert!(matches!(error, OpenError::InUse { .. }), "{error}");
        assert!(error.to_string().contains("a data folder of its own"), "{error}");
        assert!(is_held(&database).unwrap());
        drop(first);
        assert!(!is_held(&database).unwrap());
        take(&database).unwrap();
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = take(Path::new("/nonexistent-portico/portico.db")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent-portico"), "{error}");
    }
}
