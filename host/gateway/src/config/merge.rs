//! Lays `PORTICO_SECTION__KEY=value` over the configuration file.

use anyhow::{Result, bail};
use toml::{Table, Value};

const PREFIX: &str = "PORTICO_";
/// Variables that are no configuration keys: secrets, and switches with a name of their own.
const OTHERS: [&str; 7] = [
    "PORTICO_ADMIN_TOKEN",
    "PORTICO_API_TOKEN",
    "PORTICO_MASTER_KEY",
    "PORTICO_LIMITS",
    "PORTICO_LOG",
    "PORTICO_LOG_FORMAT",
    "PORTICO_BUNDLE",
];

/// Adds what the environment sets to `table`. A value is read as TOML where that works, else as text.
pub(super) fn environment(table: &mut Table, vars: impl IntoIterator<Item = (String, String)>) -> Result<()> {
    for (name, value) in vars {
        let Some(rest) = name.strip_prefix(PREFIX) else {
            continue;
        };
        // What tests of other programs or of ours set is not ours to judge.
        if name == "PORTICO_LIMITS" {
            set(table, &["server", "rate_limits"], Value::String(value.to_lowercase()));
            continue;
        }
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
    fn secrets_and_foreign_variables_are_left_alone() {
        assert_eq!(merged(&[("PORTICO_ADMIN_TOKEN", "x"), ("HOME", "/")]).unwrap().len(), 1);
    }

    #[test]
    fn a_variable_that_is_no_setting_is_an_error() {
        assert!(merged(&[("PORTICO_BIND", "127.0.0.1:2")]).unwrap_err().to_string().contains("PORTICO_SERVER__BIND"));
    }
}
