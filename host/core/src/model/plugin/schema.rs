//! Settings of plugins: their JSON Schema, defaults, secrets, and how a device's are laid over its tenant's.

use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value};

/// Settings: a JSON object.
pub type Settings = Map<String, Value>;

/// Errors of one check that are told.
const ERRORS_TOLD: usize = 5;

/// The JSON Schema of a plugin's settings.
pub struct Schema {
    document: Value,
    validator: Validator,
    secrets: Vec<String>,
}

impl std::fmt::Debug for Schema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Schema").field(&self.document).finish()
    }
}

impl Schema {
    /// Compiles a schema; the error says what is wrong with it. References to other documents are not followed, and patterns
    /// may not backtrack, so that no setting makes a check slow.
    pub fn compile(document: Value) -> Result<Self, String> {
        if document["type"] != "object" {
            return Err("its `type` must be `object`".to_owned());
        }
        let options = jsonschema::options().with_pattern_options(PatternOptions::regex());
        let validator = options.build(&document).map_err(|e| e.to_string())?;
        let secret = |(name, property): (&String, &Value)| (property["format"] == "secret").then(|| name.clone());
        let secrets = document["properties"].as_object().into_iter().flatten().filter_map(secret).collect();
        Ok(Self { document, validator, secrets })
    }

    /// The schema itself.
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// The names of secret settings: properties with `"format": "secret"`.
    pub fn secrets(&self) -> &[String] {
        &self.secrets
    }

    /// Fills in the defaults of what is missing, within objects that are there as well.
    pub fn fill(&self, settings: &mut Settings) {
        fill(&self.document, settings);
    }

    /// Checks settings whose defaults are filled in. The error names each place and what is wrong with it, up to a few. Secrets
    /// are checked when they are set: they are not among the settings, so a missing one is no error.
    ///
    /// # Errors
    /// What is wrong, for whoever made the settings.
    pub fn check(&self, settings: &Settings) -> Result<(), String> {
        let value = Value::Object(settings.clone());
        let is_missing_secret = |text: &str| {
            let quoted = |name: &String| text == format!("\"{name}\" is a required property");
            self.secrets.iter().any(quoted)
        };
        let told: Vec<String> = self
            .validator
            .iter_errors(&value)
            .filter(|error| !is_missing_secret(&error.to_string()))
            .take(ERRORS_TOLD)
            .map(|error| match error.instance_path().to_string() {
                path if path.is_empty() => error.to_string(),
                path => format!("{path}: {error}"),
            })
            .collect();
        if told.is_empty() { Ok(()) } else { Err(told.join("; ")) }
    }
}

fn fill(schema: &Value, settings: &mut Settings) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        if let (None, Some(default)) = (settings.get(name), property.get("default")) {
            settings.insert(name.clone(), default.clone());
        }
        if let Some(Value::Object(inner)) = settings.get_mut(name) {
            fill(property, inner);
        }
    }
}

/// Lays a merge patch (RFC 7396) over settings: objects are merged, `null` removes, everything else replaces.
pub fn merge(settings: &mut Settings, patch: &Settings) {
    for (name, value) in patch {
        match value {
            Value::Null => {
                settings.remove(name);
            }
            Value::Object(inner) => {
                let place = settings.entry(name.clone()).or_insert_with(|| Value::Object(Settings::new()));
                if !place.is_object() {
                    *place = Value::Object(Settings::new());
                }
                if let Value::Object(place) = place {
                    merge(place, inner);
                }
            }
            other => {
                settings.insert(name.clone(), other.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Settings {
        let Value::Object(map) = value else { panic!("no object") };
        map
    }

    fn schema() -> Schema {
        let document = json!({
            "type": "object",
            "properties": {
                "per-minute": { "type": "integer", "minimum": 1, "default": 20 },
                "night": { "type": "object", "properties": { "from": { "type": "string", "default": "22:00" } } },
                "token": { "type": "string", "format": "secret" },
            },
            "required": ["token"],
            "additionalProperties": false,
        });
        Schema::compile(document).expect("a good schema")
    }

    #[test]
    fn a_device_changes_what_it_names_and_keeps_the_rest() {
        let mut settings = object(json!({ "a": 1, "b": { "c": 1, "d": 2 }, "e": [1] }));
        merge(&mut settings, &object(json!({ "a": null, "b": { "c": 9 }, "e": [2], "f": { "g": null, "h": 1 } })));
        assert_eq!(Value::Object(settings), json!({ "b": { "c": 9, "d": 2 }, "e": [2], "f": { "h": 1 } }));
    }

    #[test]
    fn what_is_missing_has_its_default() {
        let mut settings = object(json!({ "night": {} }));
        schema().fill(&mut settings);
        assert_eq!(Value::Object(settings), json!({ "per-minute": 20, "night": { "from": "22:00" } }));
    }

    #[test]
    fn wrong_settings_are_told_by_their_place_and_a_secret_elsewhere_is_not_missed() {
        let schema = schema();
        assert_eq!(schema.check(&object(json!({ "per-minute": 3 }))), Ok(()));
        let told = schema.check(&object(json!({ "per-minute": 0, "other": 1 }))).expect_err("wrong");
        assert!(told.contains("/per-minute") && told.contains("other"), "{told}");
        assert_eq!(schema.secrets(), ["token"]);
    }

    #[test]
    fn a_schema_that_is_none_is_refused() {
        assert!(Schema::compile(json!({ "type": "string" })).is_err());
        assert!(Schema::compile(json!({ "type": "object", "properties": { "a": { "type": "colour" } } })).is_err());
        let elsewhere = json!({ "type": "object", "$ref": "https://schemas.example/one.json" });
        assert!(Schema::compile(elsewhere).is_err());
    }
}
