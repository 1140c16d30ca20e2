//! The configuration as `portico config` prints it: every setting with what it is for, also those that are not set.
//!
//! Descriptions, ranges and choices come from the schema of [`Config`], defaults from `Config::default()`. What is printed can be
//! used as a configuration file, apart from a database's password, which is hidden.

use std::fmt::Write;

use anyhow::Result;
use serde_json::Value as Schema;
use toml::{Table, Value};

use super::{Config, schema};

/// Characters of a comment line.
const COLUMNS: usize = 110;

impl Config {
    /// The merged configuration as TOML with a comment for every setting. It holds no secrets.
    ///
    /// # Errors
    /// When a value can't be written as TOML.
    pub fn to_toml(&self) -> Result<String> {
        let mut shown = self.clone();
        shown.storage.database = shown.storage.database.as_deref().map(without_password);
        let (values, defaults) = (shown.to_table()?, Self::default().to_table()?);
        let mut out = String::new();
        section(&mut out, "", &schema::of_config(), &values, &defaults)?;
        Ok(out)
    }
}

/// Writes the settings of a section, then the sections within it.
fn section(out: &mut String, path: &str, schema: &Schema, values: &Table, defaults: &Table) -> Result<()> {
    let properties = schema["properties"].as_object();
    let (sections, settings): (Vec<_>, Vec<_>) =
        properties.into_iter().flatten().partition(|(_, schema)| schema::is_section(schema));
    if !path.is_empty() {
        let gap = if out.is_empty() { "" } else { "\n" };
        out.push_str(gap);
        comment(out, &description(schema))?;
        // A section that only holds sections needs no header of its own.
        if !settings.is_empty() {
            writeln!(out, "[{path}]")?;
        }
    }
    for (key, schema) in settings {
        setting(out, key, schema, values.get(key), defaults.get(key))?;
    }
    let empty = Table::new();
    let inner = |table: &'_ Table, key: &str| table.get(key).and_then(Value::as_table).cloned();
    for (key, schema) in sections {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let values = inner(values, key).unwrap_or_else(|| empty.clone());
        let defaults = inner(defaults, key).unwrap_or_else(|| empty.clone());
        section(out, &path, schema, &values, &defaults)?;
    }
    Ok(())
}

fn setting(out: &mut String, key: &str, schema: &Schema, value: Option<&Value>, default: Option<&Value>) -> Result<()> {
    let mut about = description(schema);
    let choices = schema::choices(schema);
    if !choices.is_empty() {
        write!(about, " One of: {}.", choices.join(", "))?;
    }
    if let Some(range) = schema::range(schema, "minimum", "maximum") {
        write!(about, " Range: {range}.")?;
    }
    let Some(value) = value else {
        comment(out, &format!("{about} Not set."))?;
        let example = schema["examples"].get(0).map(Schema::to_string).unwrap_or_else(|| "\"\"".to_owned());
        writeln!(out, "# {key} = {example}")?;
        return Ok(());
    };
    if let Some(default) = default.filter(|default| *default != value) {
        write!(about, " Default: {default}.")?;
    }
    comment(out, &about)?;
    writeln!(out, "{key} = {value}")?;
    Ok(())
}

fn description(schema: &Schema) -> String {
    schema["description"].as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Writes a text as comment lines.
fn comment(out: &mut String, text: &str) -> Result<()> {
    let mut line = String::from("#");
    for word in text.split(' ') {
        if line.len() + word.len() >= COLUMNS {
            writeln!(out, "{line}")?;
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    writeln!(out, "{line}")?;
    Ok(())
}

/// A database's URL with `***` in place of the password.
fn without_password(url: &str) -> String {
    let hidden = || {
        let (scheme, rest) = url.split_once("://")?;
        let (login, place) = rest.rsplit_once('@')?;
        let (user, _) = login.split_once(':')?;
        Some(format!("{scheme}://{user}:***@{place}"))
    };
    hidden().unwrap_or_else(|| url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every setting by its path, with its part of the schema.
    fn settings(path: &str, schema: &Schema) -> Vec<(String, Schema)> {
        let properties = schema["properties"].as_object().unwrap();
        let each = properties.iter().flat_map(|(key, inner)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            if schema::is_section(inner) { settings(&path, inner) } else { vec![(path, inner.clone())] }
        });
        each.collect()
    }

    #[test]
    fn every_setting_is_described_and_durations_have_a_unit() {
        let all = settings("", &schema::of_config());
        assert!(all.len() > 80, "{}", all.len());
        for (path, schema) in &all {
            assert!(description(schema).len() > 10, "{path} needs a doc comment");
            // A duration without `with = "Seconds"` would be a section of `secs` and `nanos`.
            assert!(!path.ends_with(".secs") && !path.ends_with(".nanos"), "{path} needs a unit");
        }
        for path in ["server.bind", "server.shutdown_grace_s", "plugins.pacing.wall_ms", "jobs.reap.keep_events_days"] {
            assert!(all.iter().any(|(name, _)| name == path), "{path}");
        }
    }

    #[test]
    fn what_is_not_set_is_a_comment_and_the_rest_can_be_read_back() {
        let text = Config::default().to_toml().unwrap();
        for unset in ["# ws_bind = \"127.0.0.1:3001\"", "# database = ", "# dir = ", "# network = ", "# version = [2,"]
        {
            assert!(text.contains(unset), "{unset}: {text}");
        }
        assert!(text.contains("\nenabled = false\n") && text.contains("\n[jobs.deliver]\n"), "{text}");
        let again = Config::from_table(text.parse().unwrap()).unwrap();
        assert_eq!(again.to_table().unwrap(), Config::default().to_table().unwrap());
    }

    #[test]
    fn every_setting_can_be_changed() {
        let mut changed = Config::default().to_table().unwrap();
        let (section, key) = ("pacing", "wall_ms");
        changed["plugins"][section][key] = Value::Integer(300);
        let given: Table = "[plugins.pacing]\nwall_ms = 300\n".parse().unwrap();
        assert_eq!(Config::from_table(given).unwrap().to_table().unwrap(), changed, "the hook's other limits stay");
        let given: Table =
            "[server]\nrequests_per_minute = 60\n[limits]\ndelivery_schedule_s = [1, 2]\n".parse().unwrap();
        let config = Config::from_table(given).unwrap();
        assert_eq!(config.server.http.rate_per_key.map(|rate| (rate.per_minute, rate.burst)), Some((60, 15)));
        assert_eq!(config.limits.delivery_schedule.len(), 2);
    }

    #[test]
    fn a_changed_setting_shows_its_default_and_a_password_is_hidden() {
        let mut config = Config::default();
        config.storage.database = Some("postgres://gateway:secret-word@db/portico".to_owned());
        config.storage.store.sqlite_readers = 9;
        let text = config.to_toml().unwrap();
        assert!(text.contains("Default: 8.\nsqlite_readers = 9"), "{text}");
        assert!(text.contains("postgres://gateway:***@db/portico") && !text.contains("secret-word"), "{text}");
    }
}
