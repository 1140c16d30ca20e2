//! `plugin.toml`: the id of a plugin, its hooks, and the grants it asks for. It travels in the component's custom section
//! `portico:manifest`. Unknown keys are errors, so that a typing mistake in a grant is found at install.

use std::time::Duration;

use portico_core::ports::plugins::{Grant, Granted, Hook, Limit, LimitBy, LimitHeaders, Mount};
use semver::Version;
use serde::Deserialize;

/// The version of the package `portico:plugin` this host speaks.
pub const WIT_VERSION: Version = Version::new(0, 1, 0);

/// The custom section a manifest is in.
pub const SECTION: &str = "portico:manifest";

/// The custom section the JSON Schema of a plugin's settings is in.
pub const SCHEMA_SECTION: &str = "portico:settings-schema";
/// The longest window of a limit: a day.
const LIMIT_WINDOW_SECONDS_MAX: u32 = 86_400;

/// A manifest.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Section `[plugin]`.
    pub plugin: PluginSection,
    /// Where a dialect is served.
    #[serde(default)]
    pub mount: Option<MountEntry>,
    /// Grants it asks for.
    #[serde(default)]
    pub grant: Vec<GrantEntry>,
    /// Limits that its routes name.
    #[serde(default)]
    pub limit: Vec<LimitEntry>,
}

/// Section `[plugin]`: id, version and hooks.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginSection {
    /// `publisher.name`, or a bare name for the gateway's own.
    pub id: String,
    /// The version of the plugin.
    pub version: Version,
    /// A name to show to people.
    pub name: String,
    /// Must equal the component's exports.
    pub hooks: Vec<Hook>,
    /// The oldest version of the package `portico:plugin` it works with.
    pub wit: Version,
}

/// Where a dialect is served.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MountEntry {
    /// Served at `/d/<name>`.
    pub name: String,
    /// Prefixes at the root below which it answers also what it has no route for, with a 404 of its own.
    #[serde(default)]
    pub root: Vec<String>,
}

/// How many requests may come in a span of time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LimitEntry {
    /// What routes call it.
    pub name: String,
    /// Requests in one window.
    pub count: u32,
    /// How long a window lasts, in seconds.
    pub window_s: u32,
    /// What is counted together.
    pub by: LimitByName,
    /// How the answer tells what is left.
    #[serde(default)]
    pub headers: LimitHeadersName,
}

/// What a limit counts together, as manifests write it.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LimitByName {
    /// Requests from one address.
    Address,
    /// Requests with one key.
    Key,
    /// Requests about one device.
    Device,
}

/// The headers of a limit, as manifests write them.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LimitHeadersName {
    /// `RateLimit-*`, the reset in seconds from now.
    RateLimit,
    /// `X-RateLimit-*`, the reset in seconds since 1970.
    XRateLimit,
    /// None.
    #[default]
    None,
}

/// A grant a plugin asks for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantEntry {
    /// Which grant.
    pub kind: Grant,
    /// What the plugin needs it for; shown to the operator.
    pub why: String,
}

impl Manifest {
    /// Reads and checks a manifest; the error says what to change.
    pub fn parse(text: &str) -> Result<Self, String> {
        let manifest: Self = toml::from_str(text).map_err(|e| e.message().to_owned())?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), String> {
        let plugin = &self.plugin;
        if !is_name(&plugin.id, 64, b"-.") {
            return Err("`plugin.id` must be 1 to 64 lower-case letters, digits, `-` and `.`".into());
        }
        if plugin.name.is_empty() || plugin.name.chars().count() > 80 {
            return Err("`plugin.name` must have 1 to 80 characters".into());
        }
        let host = WIT_VERSION;
        if (plugin.wit.major, plugin.wit.minor) != (host.major, host.minor) || plugin.wit.patch > host.patch {
            return Err(format!(
                "`plugin.wit` is {}, this gateway speaks {host}; build the plugin against that",
                plugin.wit
            ));
        }
        let Some(mount) = &self.mount else { return Ok(()) };
        if !plugin.hooks.contains(&Hook::HttpHandler) {
            return Err("`[mount]` needs the hook `http-handler`".into());
        }
        if !is_name(&mount.name, 32, b"-") {
            return Err("`mount.name` must be 1 to 32 lower-case letters, digits and `-`".into());
        }
        for (i, limit) in self.limit.iter().enumerate() {
            if !is_name(&limit.name, 32, b"-") || self.limit[..i].iter().any(|other| other.name == limit.name) {
                return Err("`limit.name` must be 1 to 32 lower-case letters, digits and `-`, each name once".into());
            }
            if limit.count == 0 || limit.window_s == 0 || limit.window_s > LIMIT_WINDOW_SECONDS_MAX {
                return Err(format!(
                    "the limit `{}` must have a `count` of at least 1 and a `window-s` of 1 to {LIMIT_WINDOW_SECONDS_MAX}",
                    limit.name
                ));
            }
        }
        match mount.root.iter().find(|prefix| !is_prefix(prefix)) {
            Some(bad) => Err(format!(
                "`{bad}` in `mount.root` must be a path such as `/api/things`, below a first segment that is not the gateway's own (v1, d, health, metrics, docs)"
            )),
            None => Ok(()),
        }
    }

    /// The mount as the listener wants it.
    pub(crate) fn to_mount(&self) -> Option<Mount> {
        let entry = self.mount.clone()?;
        let limits = self.limit.iter().map(LimitEntry::to_limit).collect();
        Some(Mount { name: entry.name, root: entry.root, limits })
    }

    /// Whether it asks for a grant.
    pub(crate) fn asks_for(&self, grant: Grant) -> bool {
        self.grant.iter().any(|entry| entry.kind == grant)
    }

    /// The grants as the operator is shown them.
    pub(crate) fn to_granted(&self) -> Vec<Granted> {
        self.grant.iter().map(|entry| Granted { kind: entry.kind, why: entry.why.clone() }).collect()
    }
}

impl LimitEntry {
    fn to_limit(&self) -> Limit {
        Limit {
            name: self.name.clone(),
            count: self.count,
            window: Duration::from_secs(u64::from(self.window_s)),
            by: match self.by {
                LimitByName::Address => LimitBy::Address,
                LimitByName::Key => LimitBy::Key,
                LimitByName::Device => LimitBy::Device,
            },
            headers: match self.headers {
                LimitHeadersName::RateLimit => LimitHeaders::RateLimit,
                LimitHeadersName::XRateLimit => LimitHeaders::XRateLimit,
                LimitHeadersName::None => LimitHeaders::None,
            },
        }
    }
}

fn is_name(text: &str, longest: usize, also: &[u8]) -> bool {
    (1..=longest).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || also.contains(&b))
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

fn is_prefix(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('/') else {
        return false;
    };
    let mut segments = rest.split('/');
    let own = ["v1", "d", "health", "metrics", "docs"];
    segments.clone().all(|s| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')))
        && segments.next().is_some_and(|first| !own.contains(&first))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        [plugin]
        id = "acme.bridge"
        version = "1.2.0"
        name = "Bridge"
        hooks = ["http-handler"]
        wit = "0.1.0"
        [mount]
        name = "bridge"
        root = ["/api/bridge"]
        [[limit]]
        name = "common"
        count = 100
        window-s = 900
        by = "address"
        headers = "rate-limit"
        [[grant]]
        kind = "rest"
        why = "translates requests"
    "#;

    #[test]
    fn a_good_manifest_is_read() {
        let manifest = Manifest::parse(GOOD).expect("good");
        assert_eq!(manifest.to_granted(), [Granted { kind: Grant::Rest, why: "translates requests".into() }]);
        let mount = manifest.to_mount().expect("a mount");
        assert_eq!((mount.root[0].as_str(), mount.limits[0].window), ("/api/bridge", Duration::from_secs(900)));
    }

    #[test]
    fn every_mistake_is_told() {
        for (from, to) in [
            ("acme.bridge", "Acme/Bridge"),
            ("wit = \"0.1.0\"", "wit = \"0.2.0\""),
            ("wit = \"0.1.0\"", "wit = \"0.1.7\""),
            ("kind = \"rest\"", "kind = \"files\""),
            ("why = \"translates requests\"", ""),
            ("[\"http-handler\"]", "[\"pacing\"]"),
            ("/api/bridge", "api/bridge"),
            ("/api/bridge", "/v1/devices"),
            ("/api/bridge", "/"),
            ("window-s = 900", "window-s = 0"),
            ("by = \"address\"", "by = \"colour\""),
            ("root =", "roots ="),
        ] {
            assert!(Manifest::parse(&GOOD.replace(from, to)).is_err(), "{from} -> {to}");
        }
    }
}
