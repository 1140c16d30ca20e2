//! Lays tables of settings over one another: the environment (`PORTICO_SECTION__KEY=value`) over the file, both over the defaults.

use anyhow::{Result, bail};
use toml::{Table, Value};

const PREFIX: &str = "PORTICO_";
/// Variables that are no configuration keys: secrets, and switches with a name of their own.
const OTHERS: [&str; 10] = [
    "PORTICO_ADMIN_TOKEN",
    "PORTICO_API_TOKEN",
    "PORTICO_PRESET_TOKENS",
    "PORTICO_MASTER_KEY",
    "PORTICO_LIMITS",
    "PORTICO_LOG",
    "PORTICO_LOG_FORMAT",
    "PORTICO_BUNDLE",
    "PORTICO_GATEWAY",
    "PORTICO_KEY",
];

/// Settings that were called otherwise before: the old name, and the new ones that take its value.
const MOVED: [(&str, &[&str]); 8] = [
    ("storage.connections", &["storage.sqlite_readers", "storage.postgres_connections"]),
    ("tuning.devices_per_tenant", &["limits.devices_per_tenant"]),
    ("tuning.sessions_max", &["whatsapp.sessions_max"]),
    ("tuning.restore_parallel", &["jobs.sessions.at_once"]),
    ("tuning.pre_keys", &["whatsapp.pre_keys"]),
    ("tuning.deliveries_at_once", &["jobs.deliver.requests_max"]),
    ("tuning.keep_events_days", &["jobs.reap.keep_events_days"]),
    ("tuning.keep_deliveries_days", &["jobs.reap.keep_deliveries_days"]),
];

/// The former name of a setting, if it has one.
pub(super) fn former_name(setting: &str) -> Option<&'static str> {
    MOVED.iter().find(|(_, new)| new.contains(&setting)).map(|(old, _)| *old)
}

/// Takes settings with a former name to their present one, unless that is set as well.
pub(super) fn moved(table: &mut Table) {
    for (old, new) in MOVED {
        let Some((section, key)) = old.split_once('.') else { continue };
        let Some(Value::Table(inner)) = table.get_mut(section) else { continue };
        let Some(value) = inner.remove(key) else { continue };
        if inner.is_empty() {
            table.remove(section);
        }
        for name in new {
            let path: Vec<&str> = name.split('.').collect();
            if get(table, &path).is_none() {
                set(table, &path, value.clone());
            }
        }
    }
}

/// Lays `over` over `table`, key by key.
pub(super) fn overlay(table: &mut Table, over: Table) {
    for (key, value) in over {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(value)) => overlay(inner, value),
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}

fn get<'a>(table: &'a Table, path: &[&str]) -> Option<&'a Value> {
    match path {
        [] => None,
        [key] => table.get(*key),
        [section, rest @ ..] => get(table.get(*section)?.as_table()?, rest),
    }
}

/// Adds what the environment sets to `table`. A value is read as TOML where that works, else as text.
pub(super) fn environment(table: &mut Table, vars: impl IntoIterator<Item = (String, String)>) -> Result<()> {
    for (name, value) in vars {
        let Some(rest) = name.strip_prefix(PREFIX) else {
            continue;
        };
        if name == "PORTICO_LIMITS" {
            set(table, &["server", "rate_limits"], Value::String(value.to_lowercase()));
            continue;
        }
        // Variables of tests are no settings either.
        if OTHERS.contains(&name.as_str()) || rest.starts_with("TEST_") {
            continue;
        }
        let path: Vec<String> = rest.to_lowercase().split("__").map(str::to_owned).collect();
        if path.len() < 2 {
            bail!(
                "the environment sets {name}, which is no setting; settings are written PORTICO_SECTION__KEY, such as PORTICO_SERVER__BIND"
            );
        }
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        set(table, &path, read(&value));
    }
    Ok(())
}

fn read(value: &str) -> Value {
    let parsed = format!("v = {value}").parse::<Table>().ok().and_then(|mut t| t.remove("v"));
    parsed.unwrap_or_else(|| Value::String(value.to_owned()))
}

fn set(table: &mut Table, path: &[&str], value: Value) {
    match path {
        [] => {}
        [key] => {
            table.insert((*key).to_owned(), value);
        }
        [section, rest @ ..] => {
            let entry = table.entry(*section).or_insert_with(|| Value::Table(Table::new()));
            if !entry.is_table() {
                *entry = Value::Table(Table::new());
            }
            if let Value::Table(inner) = entry {
                set(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(vars: &[(&str, &str)]) -> Result<Table> {
        let mut table: Table = "[server]\nbind = \"127.0.0.1:1\"\n".parse().unwrap();
        environment(&mut table, vars.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))?;
        Ok(table)
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let table =
            merged(&[("PORTICO_SERVER__BIND", "127.0.0.1:2"), ("PORTICO_SERVER__BODY_BYTES_MAX", "10")]).unwrap();
        assert_eq!(table["server"]["bind"].as_str(), Some("127.0.0.1:2"));
        assert_eq!(table["server"]["body_bytes_max"].as_integer(), Some(10));
    }

    #[test]
    fn a_former_name_still_works_and_the_present_one_wins() {
        let mut table: Table =
            "[tuning]\npre_keys = 40\nsessions_max = 7\n[whatsapp]\npre_keys = 50\n[storage]\nconnections = 9\n"
                .parse()
                .unwrap();
        moved(&mut table);
        assert!(!table.contains_key("tuning"));
        assert_eq!(table["whatsapp"]["pre_keys"].as_integer(), Some(50));
        assert_eq!(table["whatsapp"]["sessions_max"].as_integer(), Some(7));
        assert_eq!(table["storage"]["sqlite_readers"], table["storage"]["postgres_connections"]);
    }

    #[test]
    fn a_part_of_a_section_leaves_the_rest_of_it() {
        let mut table: Table = "[a]\nx = 1\n[a.b]\ny = 2\nz = 3\n".parse().unwrap();
        overlay(&mut table, "[a.b]\nz = 4\n".parse().unwrap());
        assert_eq!(table, "[a]\nx = 1\n[a.b]\ny = 2\nz = 4\n".parse().unwrap());
    }

    #[test]
    fn secrets_and_foreign_variables_are_left_alone() {
        assert_eq!(merged(&[("PORTICO_ADMIN_TOKEN", "x"), ("HOME", "/")]).unwrap().len(), 1);
    }

    #[test]
    fn a_variable_that_is_no_setting_is_an_error() {
        assert!(merged(&[("PORTICO_BIND", "127.0.0.1:2")]).unwrap_err().to_string().contains("PORTICO_SERVER__BIND"));
    }
}
