//! Secrets: the master key and preset access keys. They come from the environment or the data folder, never from the file.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result};
use portico_core::access::bootstrap::PresetKeys;
use portico_core::access::secret::KeySecret;

use super::MasterKey;

/// What must not stand in a configuration file.
pub struct Secrets {
    /// Seals everything secret in the database.
    pub master_key: MasterKey,
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
    /// Reads them, and makes the data folder. A master key that had to be drawn is written by [`MasterKey::keep`].
    pub fn load(data: &Path) -> Result<Self> {
        let preset = |name: &str| variable(name).map(|v| KeySecret::preset(name, &v)).transpose();
        let preset = PresetKeys { admin: preset("PORTICO_ADMIN_TOKEN")?, api: preset("PORTICO_API_TOKEN")? };
        make_folder(data)?;
        if let Some(why) = folder_exposed(data) {
            tracing::warn!("{why}");
        }
        Ok(Self { master_key: MasterKey::find_or_draw(data)?, preset })
    }
}

/// Makes the data folder where there is none, for the gateway's user alone.
pub fn make_folder(data: &Path) -> Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(data);
    made.with_context(|| format!("the data folder {} can't be made; choose another with --data", data.display()))
}

/// Whether others than its owner can enter the data folder, and what to do. It is not closed to them unasked: it may be a
/// folder that others need as well, and the files in it are private each by itself.
pub fn folder_exposed(data: &Path) -> Option<String> {
    let mode = fs::metadata(data).ok()?.permissions().mode() & 0o777;
    let remedy = format!("run: chmod 700 '{}'", data.display());
    (mode & 0o011 != 0).then(|| format!("others than its owner can enter the data folder (mode {mode:o}); {remedy}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_others_can_enter_is_noticed() {
        let data = tempfile::tempdir().unwrap();
        for (mode, exposed) in [(0o700, false), (0o710, true), (0o755, true), (0o1777, true)] {
            fs::set_permissions(data.path(), fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(folder_exposed(data.path()).is_some(), exposed, "{mode:o}");
        }
        assert!(folder_exposed(data.path()).unwrap().contains("chmod 700 '"));
        assert!(folder_exposed(&data.path().join("missing")).is_none());
    }

    #[test]
    fn the_data_folder_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        make_folder(&data).unwrap();
        assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
