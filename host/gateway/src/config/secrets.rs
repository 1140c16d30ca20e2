//! Secrets: the master key and preset access keys. They come from the environment or the data folder, never from the file.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, Result, bail};
use portico_core::access::bootstrap::PresetKeys;
use portico_core::access::secret::KeySecret;
use portico_core::seal::MASTER_KEY_BYTES;
use zeroize::Zeroizing;

/// What must not stand in a configuration file.
pub struct Secrets {
    /// Seals everything secret in the database.
    pub master_key: Zeroizing<[u8; MASTER_KEY_BYTES]>,
    /// Keys for automation.
    pub preset: PresetKeys,
}

#[expect(clippy::disallowed_methods, reason = "this module is where the environment is read")]
pub(super) fn environment() -> Vec<(String, String)> {
    std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect()
}

/// One variable of the environment, if it is set and not empty.
#[expect(clippy::disallowed_methods, reason = "this module is where the environment is read")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|v| !v.is_empty())
}

impl Secrets {
    /// Reads them; makes the data folder, and in it the master key, where there is none.
    pub fn load(data: &Path) -> Result<Self> {
        let preset = |name: &str| variable(name).map(|v| KeySecret::preset(name, &v)).transpose();
        let preset = PresetKeys { admin: preset("PORTICO_ADMIN_TOKEN")?, api: preset("PORTICO_API_TOKEN")? };
        let master_key = match variable("PORTICO_MASTER_KEY") {
            Some(hex) => read_key(&hex).context("PORTICO_MASTER_KEY")?,
            None => from_file(data)?,
        };
        Ok(Self { master_key, preset })
    }
}

fn from_file(data: &Path) -> Result<Zeroizing<[u8; MASTER_KEY_BYTES]>> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .with_context(|| format!("the data folder {} can't be made", data.display()))?;
    let path = data.join("master.key");
    if path.exists() {
        let text =
            Zeroizing::new(fs::read_to_string(&path).with_context(|| format!("{} can't be read", path.display()))?);
        return read_key(text.trim()).with_context(|| path.display().to_string());
    }
    let mut key = Zeroizing::new([0; MASTER_KEY_BYTES]);
    rand::Rng::fill_bytes(&mut rand::rng(), &mut *key);
    // Written beside and renamed, so that a crash leaves a whole key or none.
    let draft = data.join("master.key.new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(Zeroizing::new(hex::encode(*key)).as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, &path).with_context(|| format!("{} can't be written", path.display()))?;
    Ok(key)
}

fn read_key(text: &str) -> Result<Zeroizing<[u8; MASTER_KEY_BYTES]>> {
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

    #[test]
    fn the_master_key_is_made_once_and_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let first = from_file(&data).unwrap();
        assert_eq!(*first, *from_file(&data).unwrap());
        assert_eq!(fs::metadata(data.join("master.key")).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_broken_master_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("master.key"), "not hex").unwrap();
        assert!(from_file(folder.path()).unwrap_err().to_string().contains("master.key"));
    }
}
