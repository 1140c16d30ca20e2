//! The configuration as `portico config` prints it: every setting with what it is for, also those that are not set.
//!
//! What it prints can be used as a configuration file, apart from a database's password, which is hidden.

use std::fmt::Write;

use anyhow::{Context, Result};
use toml::{Table, Value};

use super::Config;

/// A key and what it is for; for a key that has no default also an example.
type Line = (&'static str, &'static str, Option<&'static str>);

const SERVER: &[Line] = &[
    ("bind", "Where the REST API listens. An address other than loopback needs a key first.", None),
    (
        "ws_bind",
        "A second listener for event streams alone, as clients of some dialects expect it.",
        Some("127.0.0.1:3001"),
    ),
    ("body_bytes_max", "Largest request body, in bytes.", None),
    ("requests_per_minute", "Requests a key may make per minute.", None),
    (
        "tenant_requests_per_minute",
        "Requests all keys of a tenant may make per minute together; at least as many as one key.",
        None,
    ),
    (
        "rate_limits",
        "Whether these are enforced: on, or (in sandbox mode only) off. PORTICO_LIMITS=off does the same.",
        None,
    ),
    ("request_timeout_s", "Seconds a request may take.", None),
    ("streams_per_tenant", "Event streams of one tenant at once.", None),
    (
        "connections_per_peer",
        "Connections from one address at once (IPv6: one /64 network), this machine's own not counted. Raise it for a reverse proxy on another machine.",
        None,
    ),
    ("shutdown_grace_s", "Seconds that requests under way get when the gateway stops.", None),
    (
        "sign_up",
        "Who may make a key without having one: closed, open, or auto (open in sandbox mode while only this machine can reach the API).",
        None,
    ),
];

const STORAGE: &[Line] = &[
    ("data", "Folder for the database, the master key, compiled plugins and the sandbox's state.", None),
    ("database", "Another database than portico.db in that folder.", Some("postgres://USER:PASSWORD@HOST/NAME")),
    ("connections", "Connections to the database (readers, for SQLite).", None),
    (
        "synchronous",
        "When SQLite waits for the disk: full (what was acknowledged survives a power cut) or normal.",
        None,
    ),
];

const OUTBOUND: &[Line] =
    &[("allow", "Private networks that webhooks may reach all the same, such as \"10.1.0.0/16\".", None)];

const PLUGINS: &[Line] = &[(
    "dir",
    "A folder of further plugins (*.wasm); each needs an id and a mount of its own.",
    Some("/etc/portico/plugins"),
)];

const TUNING: &[Line] = &[
    ("devices_per_tenant", "Devices of one tenant.", None),
    ("sessions_max", "Sessions of this process.", None),
    ("restore_parallel", "Sessions restored at once after a start.", None),
    (
        "pre_keys",
        "One-time keys a fresh device uploads. WhatsApp Web uploads 812; fewer are cheaper for load runs.",
        None,
    ),
    ("deliveries_at_once", "Webhook deliveries under way at once.", None),
    ("keep_events_days", "Days that events are kept.", None),
    ("keep_deliveries_days", "Days that finished deliveries are kept.", None),
];

const SANDBOX: &[Line] = &[
    ("enabled", "Run the sandbox network inside, and talk to it alone.", None),
    ("bind", "Where its admin API listens; loopback only.", None),
    ("network", "Use a sandbox that runs beside instead (`portico sandbox`): its address.", Some("127.0.0.1:8081")),
];

/// In the order in which they are printed.
const SECTIONS: &[(&str, &str, &[Line])] = &[
    ("server", "Listeners, and what requests may cost.", SERVER),
    ("storage", "The data folder and the database.", STORAGE),
    ("outbound", "HTTP to other people's servers.", OUTBOUND),
    ("plugins", "Plugins beside the built-in ones.", PLUGINS),
    ("tuning", "Limits and spans that rarely need a change.", TUNING),
    ("sandbox", "The sandbox network (sandbox builds only).", SANDBOX),
];

impl Config {
    /// The merged configuration as TOML with a comment for every setting. It holds no secrets.
    pub fn to_toml(&self) -> Result<String> {
        let (mut config, defaults) = (self.clone(), table(&Self::default())?);
        config.storage.database = config.storage.database.as_deref().map(without_password);
        let values = table(&config)?;
        let mut out = String::new();
        for (section, what, lines) in SECTIONS {
            let gap = if out.is_empty() { "" } else { "\n" };
            writeln!(out, "{gap}# {what}\n[{section}]")?;
            for (key, what, example) in *lines {
                let default = find(&defaults, section, key);
                match (find(&values, section, key), example) {
                    (Some(value), _) if default.is_some_and(|d| d != value) => {
                        let default = default.map(Value::to_string).unwrap_or_default();
                        writeln!(out, "# {what} Default: {default}\n{key} = {value}")?;
                    }
                    (Some(value), _) => writeln!(out, "# {what}\n{key} = {value}")?,
                    (None, example) => {
                        writeln!(out, "# {what} Not set.\n# {key} = \"{}\"", example.unwrap_or_default())?;
                    }
                }
            }
        }
        Ok(out)
    }
}

fn table(config: &Config) -> Result<Table> {
    Table::try_from(config).context("writing the configuration")
}

fn find<'a>(table: &'a Table, section: &str, key: &str) -> Option<&'a Value> {
    table.get(section)?.get(key)
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

    /// A configuration in which nothing is absent.
    fn full() -> Config {
        let mut config = Config::default();
        config.server.ws_bind = Some(([127, 0, 0, 1], 3001).into());
        config.storage.database = Some("postgres://gateway:secret-word@db/portico".to_owned());
        config.plugins.dir = Some("plugins".into());
        config.sandbox.network = Some("127.0.0.1:8081".to_owned());
        config
    }

    #[test]
    fn every_setting_is_described_and_every_description_has_a_setting() {
        let table = table(&full()).unwrap();
        let mut settings: Vec<String> = Vec::new();
        for (section, keys) in &table {
            settings.extend(keys.as_table().unwrap().keys().map(|key| format!("{section}.{key}")));
        }
        let mut described: Vec<String> = Vec::new();
        for (section, _, lines) in SECTIONS {
            described.extend(lines.iter().map(|(key, ..)| format!("{section}.{key}")));
        }
        settings.sort();
        described.sort();
        assert_eq!(settings, described, "`SECTIONS` lists what the sections of the configuration have");
    }

    #[test]
    fn what_is_not_set_is_a_comment_and_the_rest_can_be_read_back() {
        let text = Config::default().to_toml().unwrap();
        for unset in ["# ws_bind = ", "# database = ", "# dir = ", "# network = "] {
            assert!(text.contains(unset), "{unset}: {text}");
        }
        assert!(text.contains("enabled = false"), "{text}");
        let again: Config = toml::from_str(&text).unwrap();
        assert_eq!(table(&again).unwrap(), table(&Config::default()).unwrap());
    }

    #[test]
    fn a_changed_setting_shows_its_default_and_a_password_is_hidden() {
        let mut config = full();
        config.storage.connections = 9;
        let text = config.to_toml().unwrap();
        assert!(text.contains("Default: 8\nconnections = 9"), "{text}");
        assert!(text.contains("postgres://gateway:***@db/portico") && !text.contains("secret-word"), "{text}");
    }
}
