//! What the packer needs to know of `plugin.toml`. The gateway reads the rest, and is strict about it.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::PackError;

/// The file's name, beside `Cargo.toml`.
pub const FILE_NAME: &str = "plugin.toml";

/// The JSON Schema of the plugin's settings, beside it.
pub const SCHEMA_FILE_NAME: &str = "settings.schema.json";

/// Every hook there is, and the interface that stands for it.
pub const HOOKS: [&str; 4] = ["webhook-format", "pacing", "http-handler", "dialect-socket"];

/// A plugin's manifest.
#[derive(Debug)]
pub struct Manifest {
    /// The text, as it goes into the component.
    pub text: String,
    /// The JSON Schema of the settings, as it goes into the component, if there is one.
    pub settings_schema: Option<String>,
    plugin: Plugin,
}

#[derive(Deserialize)]
struct File {
    plugin: Plugin,
}

#[derive(Debug, Deserialize)]
struct Plugin {
    id: String,
    hooks: Vec<String>,
}

impl Manifest {
    /// Reads a manifest.
    pub fn read(path: &Path) -> Result<Self, PackError> {
        let text = fs::read_to_string(path).map_err(PackError::io(path))?;
        let manifest = Self::parse(text).map_err(|why| PackError::Manifest { path: path.to_owned(), why })?;
        let schema_path = path.with_file_name(SCHEMA_FILE_NAME);
        if !schema_path.is_file() {
            return Ok(manifest);
        }
        let schema = fs::read_to_string(&schema_path).map_err(PackError::io(&schema_path))?;
        Ok(Self { settings_schema: Some(schema), ..manifest })
    }

    fn parse(text: String) -> Result<Self, String> {
        let File { plugin } = toml::from_str(&text).map_err(|e| e.to_string())?;
        let id_ok = !plugin.id.is_empty()
            && plugin.id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'));
        if !id_ok {
            return Err(format!("`{}` is no plugin id: lower-case letters, digits, `-` and `.` only", plugin.id));
        }
        if let Some(unknown) = plugin.hooks.iter().find(|h| !HOOKS.contains(&h.as_str())) {
            return Err(format!("there is no hook `{unknown}`; hooks are {}", HOOKS.join(", ")));
        }
        if plugin.hooks.is_empty() {
            return Err("`hooks` is empty: a plugin without hooks is never called".into());
        }
        Ok(Self { text, settings_schema: None, plugin })
    }

    /// The plugin's id, which is also the file's name.
    pub fn id(&self) -> &str {
        &self.plugin.id
    }

    /// The interfaces the component exports.
    pub fn hooks(&self) -> &[String] {
        &self.plugin.hooks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_that_do_not_exist_and_ids_that_are_paths_are_refused() {
        let with = |id: &str, hooks: &str| Manifest::parse(format!("[plugin]\nid = '{id}'\nhooks = [{hooks}]\n"));
        assert_eq!(with("acme.bot", "'pacing'").expect("good").hooks(), ["pacing"]);
        assert!(with("acme.bot", "'paceing'").is_err());
        assert!(with("acme.bot", "").is_err());
        assert!(with("../bot", "'pacing'").is_err());
    }
}
