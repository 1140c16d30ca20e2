//! Secrets: the master key and preset access keys. They come from the environment or the data folder, never from the file.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use portico_core::access::Scope;
use portico_core::access::bootstrap::{PresetKeys, PresetToken};
use portico_core::access::secret::KeySecret;

use serde::Deserialize;

use super::MasterKey;

/// The variable that may hold keys of any tenants.
const TOKENS: &str = "PORTICO_PRESET_TOKENS";
/// Preset tokens at most.
const TOKENS_MAX: usize = 1_000;

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
        let tokens = variable(TOKENS).map(|json| preset_tokens(&json)).transpose()?.unwrap_or_default();
        let preset = PresetKeys { admin: preset("PORTICO_ADMIN_TOKEN")?, api: preset("PORTICO_API_TOKEN")?, tokens };
        make_folder(data)?;
        if let Some(why) = folder_exposed(data) {
            tracing::warn!("{why}");
        }
        Ok(Self { master_key: MasterKey::find_or_draw(data)?, preset })
    }
}

/// A preset token as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Token {
    /// The key's text.
    token: String,
    /// The name of its tenant.
    tenant: String,
    /// What the key may do; absent: everything of the tenant.
    #[serde(default)]
    scopes: Option<Vec<String>>,
}

/// Reads a list of preset tokens from JSON. Errors tell which one is wrong and never repeat one.
fn preset_tokens(json: &str) -> Result<Vec<PresetToken>> {
    // The parser's complaint could quote a token, so it is not passed on.
    let Ok(tokens) = serde_json::from_str::<Vec<Token>>(json) else {
        bail!(
            "{TOKENS} must be a JSON list such as [{{\"token\": \"…\", \"tenant\": \"acme\", \"scopes\": [\"devices:read\"]}}]; \
             `scopes` may be left out"
        );
    };
    ensure!(tokens.len() <= TOKENS_MAX, "{TOKENS} must have at most {TOKENS_MAX} entries");
    let read = |(n, token): (usize, Token)| {
        let source = format!("{TOKENS}[{n}]");
        let scope =
            |name: &String| Scope::from_name(name).with_context(|| format!("{source}: there is no scope `{name}`"));
        let scopes = token.scopes.map(|names| names.iter().map(scope).collect::<Result<Vec<_>>>()).transpose()?;
        ensure!(
            scopes.as_ref().is_none_or(|scopes| !scopes.is_empty()),
            "{source}: `scopes` must name at least one scope"
        );
        Ok(PresetToken { secret: KeySecret::preset(&source, &token.token)?, tenant: token.tenant, scopes })
    };
    tokens.into_iter().enumerate().map(read).collect()
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
    fn preset_tokens_are_read_and_mistakes_are_told_without_them() {
        let good = r#"[{"token": "b7e1c09d53f2486a9c1e5d70", "tenant": "acme", "scopes": ["devices:read"]},
            {"token": "f2486a9c1e5d70b7e1c09d53", "tenant": "acme"}]"#;
        let tokens = preset_tokens(good).unwrap();
        let scopes: Vec<_> = tokens.iter().map(|token| token.scopes.clone()).collect();
        assert_eq!(scopes, [Some(vec![Scope::DevicesRead]), None]);
        for bad in [
            "b7e1c09d53f2486a9c1e5d70",
            r#"[{"token": "b7e1c09d53f2486a9c1e5d70"}]"#,
            r#"[{"token": "b7e1c09d53f2486a9c1e5d70", "tenant": "a", "scopes": ["all"]}]"#,
            r#"[{"token": "b7e1c09d53f2486a9c1e5d70", "tenant": "a", "scopes": []}]"#,
            r#"[{"token": "short", "tenant": "a"}]"#,
        ] {
            let why = preset_tokens(bad).err().unwrap().to_string();
            assert!(why.contains(TOKENS) && !why.contains("b7e1c09d53f2486a9c1e5d70"), "{why}");
        }
    }

    #[test]
    fn the_data_folder_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        make_folder(&data).unwrap();
        assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
