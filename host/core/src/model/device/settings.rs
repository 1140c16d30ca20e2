//! Settings: a JSON object that the owner of a device keeps with it. What it means is for whoever reads it.

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// Bytes of a device's settings as JSON at most.
const BYTES_MAX: usize = 16 * 1024;

/// The settings of one device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(Map<String, Value>);

impl Settings {
    /// Checks settings as a caller wants them set.
    pub fn new(settings: Map<String, Value>) -> Result<Self> {
        Self::default().changed(settings)
    }

    /// Settings as they came out of the store.
    pub fn stored(settings: Map<String, Value>) -> Self {
        Self(settings)
    }

    /// These settings with a merge patch (RFC 7396) applied: what is `null` is removed, objects are merged, the rest is
    /// replaced.
    pub fn changed(&self, patch: Map<String, Value>) -> Result<Self> {
        let mut settings = self.0.clone();
        merge(&mut settings, patch);
        let bytes = serde_json::to_vec(&settings).map_err(|e| Error::internal("writing settings", e))?;
        if bytes.len() > BYTES_MAX {
            return Err(Error::invalid("settings", format!("must have at most {BYTES_MAX} bytes as JSON")));
        }
        Ok(Self(settings))
    }

    /// Values by name.
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }
}

/// The depth is that of a parsed document, which the parser bounds.
fn merge(into: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => drop(into.remove(&name)),
            Value::Object(inner) => {
                let mut merged = match into.remove(&name) {
                    Some(Value::Object(before)) => before,
                    _ => Map::new(),
                };
                merge(&mut merged, inner);
                into.insert(name, Value::Object(merged));
            }
            value => drop(into.insert(name, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn a_change_is_a_merge_patch() {
        let before = Settings::new(object(json!({ "ai": { "on": true, "model": "m" }, "tag": 1 }))).unwrap();
        let after = before.changed(object(json!({ "ai": { "on": false, "model": null }, "tag": [2] }))).unwrap();
        assert_eq!(Value::Object(after.0), json!({ "ai": { "on": false }, "tag": [2] }));
    }

    #[test]
    fn settings_are_bounded() {
        let long = object(json!({ "a": "x".repeat(BYTES_MAX) }));
        assert!(Settings::default().changed(long).is_err());
    }
}
