//! The lock that keeps a second gateway off an SQLite database.
//!
//! Two gateways on one file would both run its devices, and WhatsApp would throw both out. The operating system drops the
//! lock when the process ends, however it ends; the file itself stays and means nothing.
//!
//! The folder is locked as well as the lock file in it: whoever removes the file lets nobody in, because the folder can't be
//! replaced without taking the database away. Neither lock meets those of SQLite, which are on the files of the database.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::OpenError;

/// The name of the lock file, in the folder of the database.
pub const LOCK_FILE: &str = "portico.lock";

/// Readable and writable by the gateway's user only: the database holds every account's keys.
const PRIVATE: u32 = 0o600;

/// The lock of a database's folder, held until it is dropped or given up.
#[derive(Debug)]
pub(crate) struct FolderLock {
    file: File,
    /// Absent where the file system can't lock folders, as some network file systems.
    folder: Option<File>,
}

impl FolderLock {
    /// Lets another gateway in.
    pub(crate) fn unlock(&self) -> std::io::Result<()> {
        self.folder.as_ref().map_or(Ok(()), File::unlock)?;
        self.file.unlock()
    }
}

/// Takes the lock of the database's folder and makes sure that the database file exists and is private.
pub(crate) fn take(database: &Path) -> Result<FolderLock, OpenError> {
    let folder = folder(database)?;
    let path = folder.join(LOCK_FILE);
    let file = open_private(&path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { path }),
        Err(TryLockError::Error(source)) => return Err(OpenError::File { doing: "lock", path, source }),
    }
    let folder = lock_folder(folder)?;
    // SQLite gives its `-wal` and `-shm` files the mode of the database.
    open_private(database)?;
    Ok(FolderLock { file, folder })
}

/// Locks the folder itself; `None` where that is not possible.
fn lock_folder(folder: &Path) -> Result<Option<File>, OpenError> {
    let path = || folder.to_owned();
    let opened = File::open(folder).map_err(|source| OpenError::File { doing: "open", path: path(), source })?;
    match opened.try_lock() {
        Ok(()) => Ok(Some(opened)),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path() }),
        Err(TryLockError::Error(error)) => {
            tracing::warn!(
                folder = %folder.display(),
                %error,
                "the database's folder can't be locked on this file system; never remove the file {LOCK_FILE} in it"
            );
            Ok(None)
        }
    }
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
    let folder = folder(database)?;
    if is_locked(folder).unwrap_or(false) {
        return Ok(true);
    }
    let path = folder.join(LOCK_FILE);
    match is_locked(&path) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        looked => looked.map_err(|source| OpenError::File { doing: "look at the lock", path, source }),
    }
}

fn is_locked(path: &Path) -> std::io::Result<bool> {
    // Shared, so that two who look don't take each other for a gateway; gone with the file at the end.
    match File::open(path)?.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn open_private(path: &Path) -> Result<File, OpenError> {
    let failed = |doing, source: std::io::Error| match source.kind() {
        ErrorKind::StorageFull => OpenError::Full { path: PathBuf::from(path), source: source.into() },
        _ => OpenError::File { doing, path: PathBuf::from(path), source },
    };
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
    fn removing_the_lock_file_lets_nobody_in() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("portico.db");
        let first = take(&database).unwrap();
        std::fs::remove_file(dir.path().join(LOCK_FILE)).unwrap();
        assert!(is_held(&database).unwrap());
        let error = take(&database).unwrap_err();
        assert!(matches!(error, OpenError::InUse { .. }), "{error}");
        first.unlock().unwrap();
        assert!(!is_held(&database).unwrap());
        take(&database).unwrap();
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = take(Path::new("/nonexistent-portico/portico.db")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent-portico"), "{error}");
    }
}
