//! The settings that exist and the values they take, read from the JSON schema of [`Config`].

use anyhow::{Result, bail, ensure};
use schemars::generate::SchemaSettings;
use serde_json::Value as Schema;
use toml::{Table, Value};

use super::{Config, merge};

/// The schema of the whole configuration, without references.
pub(super) fn of_config() -> Schema {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.into_generator().into_root_schema_for::<Config>().to_value()
}

/// Refuses keys that are no settings, and values that a setting can't have.
pub(super) fn check(given: &Table) -> Result<()> {
    let schema = of_config();
    check_section("", given, &schema)
}

fn check_section(path: &str, table: &Table, schema: &Schema) -> Result<()> {
    for (key, value) in table {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let Some(setting) = schema["properties"].get(key) else {
            bail!("there is no setting `{path}`; `portico config` prints all of them");
        };
        match value {
            Value::Table(inner) if is_section(setting) => check_section(&path, inner, setting)?,
            _ => check_value(&path, value, setting)?,
        }
    }
    Ok(())
}

/// Whether a part of the schema is a section, and no single setting.
pub(super) fn is_section(schema: &Schema) -> bool {
    schema.get("properties").is_some()
}

fn check_value(path: &str, value: &Value, schema: &Schema) -> Result<()> {
    let name = || match merge::former_name(path) {
        Some(former) => format!("`{path}` (formerly `{former}`)"),
        None => format!("`{path}`"),
    };
    let types = types(schema);
    ensure!(
        types.is_empty() || types.iter().any(|kind| fits(value, kind)),
        "{} must be {}",
        name(),
        types.iter().map(|kind| words(kind)).collect::<Vec<_>>().join(" or ")
    );
    if let Value::Integer(number) = value
        && let Some(range) = range(schema, "minimum", "maximum")
    {
        ensure!(range.contains(*number), "{} must be {range}", name());
    }
    if let Value::Array(items) = value {
        if let Some(range) = range(schema, "minItems", "maxItems") {
            ensure!(
                range.contains(i64::try_from(items.len()).unwrap_or(i64::MAX)),
                "{} must have {range} entries",
                name()
            );
        }
        for item in items {
            check_value(path, item, &schema["items"])?;
        }
    }
    let choices = choices(schema);
    if let Value::String(text) = value {
        ensure!(choices.is_empty() || choices.contains(text), "{} must be one of {}", name(), choices.join(", "));
    }
    Ok(())
}

/// The types a setting may have, `null` (not set) left out.
fn types(schema: &Schema) -> Vec<&str> {
    let names = match &schema["type"] {
        Schema::String(name) => vec![name.as_str()],
        Schema::Array(names) => names.iter().filter_map(Schema::as_str).collect(),
        _ => Vec::new(),
    };
    names.into_iter().filter(|name| *name != "null").collect()
}

fn fits(value: &Value, kind: &str) -> bool {
    match kind {
        "string" => value.is_str(),
        "integer" => value.is_integer(),
        "number" => value.is_integer() || value.is_float(),
        "boolean" => value.is_bool(),
        "array" => value.is_array(),
        "object" => value.is_table(),
        _ => true,
    }
}

fn words(kind: &str) -> &str {
    match kind {
        "string" => "a text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a section",
        other => other,
    }
}

/// The texts a setting may be, where it is a choice.
pub(super) fn choices(schema: &Schema) -> Vec<String> {
    let text = |value: &Schema| value.as_str().map(str::to_owned);
    if let Some(all) = schema["enum"].as_array() {
        return all.iter().filter_map(text).collect();
    }
    let variants = schema["oneOf"].as_array().map(Vec::as_slice).unwrap_or_default();
    variants.iter().filter_map(|variant| text(&variant["const"])).collect()
}

/// Bounds of a number.
pub(super) struct Range {
    least: i64,
    most: Option<i64>,
}

impl Range {
    fn contains(&self, number: i64) -> bool {
        number >= self.least && self.most.is_none_or(|most| number <= most)
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.most {
            Some(most) => write!(f, "{} to {most}", self.least),
            None => write!(f, "at least {}", self.least),
        }
    }
}

/// The bounds the schema names; `None` where it names none, or only that a number is not negative.
pub(super) fn range(schema: &Schema, least: &str, most: &str) -> Option<Range> {
    let bound = |key: &str| schema[key].as_i64();
    let (least, most) = (bound(least), bound(most));
    (least.is_some() || most.is_some()).then(|| Range { least: least.unwrap_or(0), most })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        check(&text.parse().unwrap()).unwrap_err().to_string()
    }

    #[test]
    fn keys_that_do_not_exist_are_refused() {
        assert!(refusal("[server]\nbnid = 1").contains("`server.bnid`"));
        assert!(refusal("[serve]\nbind = 1").contains("`serve`"));
        assert!(refusal("[jobs.deliver]\nspeed = 1").contains("`jobs.deliver.speed`"));
        // What follows from other settings is none itself.
        assert!(refusal("[outbound]\nallow_loopback = true").contains("`outbound.allow_loopback`"));
    }

    #[test]
    fn values_out_of_range_are_refused_by_name() {
        for (text, wanted) in [
            ("[server]\nbody_bytes_max = 10", "`server.body_bytes_max` must be 1024 to 67108864"),
            ("[server]\nrequest_timeout_s = 0", "`server.request_timeout_s` must be 1 to 600"),
            ("[server]\nrequests_per_minute = 0", "`server.requests_per_minute` must be at least 1"),
            ("[server]\nrequests_per_minute = \"many\"", "must be a whole number"),
            ("[server]\nsign_up = \"maybe\"", "must be one of closed, open, auto"),
            ("[whatsapp]\npre_keys = 813", "must be 5 to 812"),
            ("[limits]\nwebhooks_per_tenant = -1", "at least 0"),
            ("[whatsapp]\nsessions_max = 0", "(formerly `tuning.sessions_max`)"),
        ] {
            let refusal = refusal(text);
            assert!(refusal.contains(wanted), "{text}: {refusal}");
        }
    }

    #[test]
    fn the_defaults_keep_their_own_rules() {
        check(&Config::default().to_table().unwrap()).unwrap();
    }
}
