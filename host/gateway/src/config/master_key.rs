//! The master key: from the environment, from the data folder, or drawn for a new installation.
//!
//! Invariant: a new key is written to its file only after [`MasterKey::opens`] was asked. The values in a database are sealed under
//! one key; a second key beside them would make sessions and webhooks unreadable. A file that others than its owner can read is
//! never used.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use portico_core::seal::{MASTER_KEY_BYTES, Sealer};
use zeroize::Zeroizing;

use super::variable;
use crate::machine::SystemRng;

/// The variable that may hold it.
const VARIABLE: &str = "PORTICO_MASTER_KEY";
/// Its file in the data folder.
const FILE: &str = "master.key";

/// The key under which everything secret in the database is sealed.
pub struct MasterKey {
    bytes: Zeroizing<[u8; MASTER_KEY_BYTES]>,
    origin: Origin,
}

enum Origin {
    Environment,
    File(PathBuf),
    /// Made just now; its file is not written yet.
    Drawn(PathBuf),
}

/// A file that others than its owner can read, or write.
#[derive(Debug)]
pub struct Exposed {
    /// The file.
    pub path: PathBuf,
    /// Its mode.
    pub mode: u32,
}

impl fmt::Display for Exposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, mode) = (self.path.display(), self.mode);
        write!(
            f,
            "{path} is open to others than its owner (mode {mode:o}); run: chmod 600 '{path}'; where that does not last, \
             give the key in {VARIABLE} instead and remove the file"
        )
    }
}

impl std::error::Error for Exposed {}

impl MasterKey {
    /// The key of an installation, if it has one. Changes nothing.
    pub fn find(data: &Path) -> Result<Option<Self>> {
        if let Some(hex) = variable(VARIABLE) {
            return Ok(Some(Self { bytes: read(&hex).context(VARIABLE)?, origin: Origin::Environment }));
        }
        let path = Self::path(data);
        let (mode, text) = match contents(&path) {
            Ok(found) => found,
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            Err(e) => return Err(e).with_context(|| format!("{} can't be read", path.display())),
        };
        if mode & 0o077 != 0 {
            return Err(Exposed { path, mode }.into());
        }
        let bytes = read(text.trim()).with_context(|| path.display().to_string())?;
        Ok(Some(Self { bytes, origin: Origin::File(path) }))
    }

    /// The key of an installation, or a fresh one that [`Self::keep`] writes down.
    pub fn find_or_draw(data: &Path) -> Result<Self> {
        if let Some(key) = Self::find(data)? {
            return Ok(key);
        }
        let mut bytes = Zeroizing::new([0; MASTER_KEY_BYTES]);
        rand::Rng::fill_bytes(&mut rand::rng(), &mut *bytes);
        Ok(Self { bytes, origin: Origin::Drawn(Self::path(data)) })
    }

    /// Where it is kept, unless the environment holds it.
    pub fn path(data: &Path) -> PathBuf {
        data.join(FILE)
    }

    /// Makes sure that it is the key under which a value of the database was sealed.
    pub fn opens(&self, place: &str, sealed: &[u8]) -> Result<()> {
        if self.sealer().open(place, sealed).is_ok() {
            return Ok(());
        }
        match &self.origin {
            Origin::Drawn(path) => bail!(
                "{} is missing, but the database holds what was sealed with it; {}",
                path.display(),
                restore(path.parent())
            ),
            Origin::File(path) => {
                bail!("{} is not the key this database was sealed with; {}", path.display(), restore(path.parent()))
            }
            Origin::Environment => {
                bail!("{VARIABLE} is not the key this database was sealed with; {}", restore(None))
            }
        }
    }

    /// Seals and opens with it.
    pub fn sealer(&self) -> Sealer {
        Sealer::new(&self.bytes, Arc::new(SystemRng))
    }

    /// Writes a drawn key down, for good. Does nothing to any other.
    pub fn keep(&self) -> Result<()> {
        let Origin::Drawn(path) = &self.origin else { return Ok(()) };
        ensure!(!path.exists(), "{} was made by another gateway just now; start again", path.display());
        // Written beside and renamed, so that a crash leaves a whole key or none.
        let draft = path.with_extension("key.new");
        let write = || {
            let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
            file.write_all(Zeroizing::new(hex::encode(*self.bytes)).as_bytes())?;
            file.sync_all()?;
            fs::rename(&draft, path)
        };
        write().with_context(|| format!("{} can't be written", path.display()))
    }
}

/// The mode and the text of one and the same file.
fn contents(path: &Path) -> io::Result<(u32, Zeroizing<String>)> {
    let mut file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text)?;
    Ok((mode, text))
}

/// What to do when the right key is elsewhere.
fn restore(data: Option<&Path>) -> String {
    let place = data.map(|data| format!(" in {}", data.display())).unwrap_or_default();
    format!("restore the {FILE} that belongs to this database{place}, or set {VARIABLE}")
}

fn read(text: &str) -> Result<Zeroizing<[u8; MASTER_KEY_BYTES]>> {
    let mut key = Zeroizing::new([0; MASTER_KEY_BYTES]);
    if hex::decode_to_slice(text, &mut *key).is_err() {
        bail!(
            "must be {} hexadecimal digits, as `openssl rand -hex {MASTER_KEY_BYTES}` makes them",
            MASTER_KEY_BYTES * 2
        );
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a key of somebody's own.
    fn put(data: &Path, text: &str, mode: u32) {
        let path = MasterKey::path(data);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn it_is_made_once_and_private() {
        let data = tempfile::tempdir().unwrap();
        let first = MasterKey::find_or_draw(data.path()).unwrap();
        assert!(MasterKey::find(data.path()).unwrap().is_none(), "drawn, not written yet");
        first.keep().unwrap();
        assert_eq!(*first.bytes, *MasterKey::find_or_draw(data.path()).unwrap().bytes);
        let mode = fs::metadata(MasterKey::path(data.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn one_that_others_can_read_is_refused() {
        let data = tempfile::tempdir().unwrap();
        let key = "00".repeat(MASTER_KEY_BYTES);
        for mode in [0o400, 0o600] {
            put(data.path(), &key, mode);
            assert!(MasterKey::find(data.path()).unwrap().is_some(), "{mode:o}");
        }
        for mode in [0o604, 0o620, 0o640, 0o644] {
            put(data.path(), &key, mode);
            let error = MasterKey::find_or_draw(data.path()).err().unwrap();
            assert_eq!(error.downcast_ref::<Exposed>().map(|e| e.mode), Some(mode), "{error}");
            let text = error.to_string();
            assert!(text.contains("chmod 600 '") && text.contains("master.key"), "{text}");
        }
    }

    #[test]
    fn a_broken_one_is_refused() {
        let data = tempfile::tempdir().unwrap();
        put(data.path(), "not hex", 0o600);
        assert!(MasterKey::find(data.path()).err().unwrap().to_string().contains("master.key"));
    }

    #[test]
    fn one_that_does_not_open_the_data_says_what_to_do() {
        let data = tempfile::tempdir().unwrap();
        let old = MasterKey::find_or_draw(data.path()).unwrap();
        let sealed = old.sealer().seal("here", b"secret").unwrap();
        old.opens("here", &sealed).unwrap();
        let lost = MasterKey::find_or_draw(data.path()).unwrap().opens("here", &sealed).unwrap_err().to_string();
        assert!(lost.contains("is missing") && lost.contains("PORTICO_MASTER_KEY"), "{lost}");
        put(data.path(), &"00".repeat(MASTER_KEY_BYTES), 0o600);
        let wrong = MasterKey::find(data.path()).unwrap().unwrap().opens("here", &sealed).unwrap_err().to_string();
        assert!(wrong.contains("is not the key"), "{wrong}");
    }
}
