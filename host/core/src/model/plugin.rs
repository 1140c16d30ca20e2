//! Plugins: what is installed, who may use it and how far, and what a tenant and its devices made of that.
//!
//! A *version* is one component, named by the digest of its bytes. An *offer* says which version of a plugin is current, for
//! whom, and which grants at most. An *enablement* is a row of a tenant, or of one of its devices: on or off, with settings.

pub mod schema;
mod view;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::id::{DeviceId, EnablementId, TenantId};
use crate::time::UtcMs;

/// Which hooks a plugin has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hook {
    /// Shapes webhook bodies.
    WebhookFormat,
    /// Says when a message may go.
    Pacing,
    /// Serves HTTP requests.
    HttpHandler,
    /// Speaks over WebSockets.
    DialectSocket,
}

impl Hook {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::WebhookFormat, Self::Pacing, Self::HttpHandler, Self::DialectSocket];

    /// The name of the interface, in manifests, exports, logs, metrics and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WebhookFormat => "webhook-format",
            Self::Pacing => "pacing",
            Self::HttpHandler => "http-handler",
            Self::DialectSocket => "dialect-socket",
        }
    }
}

/// What can be granted to a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grant {
    /// Requests of the REST core with the credentials of the caller being served.
    Rest,
    /// Acting for whoever's credentials stand in a request's body or path.
    Assume,
    /// Values of its own, kept per tenant and device.
    Kv,
}

impl Grant {
    /// The name in manifests and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rest => "rest",
            Self::Assume => "assume",
            Self::Kv => "kv",
        }
    }
}

/// A grant that a plugin was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// What.
    pub kind: Grant,
    /// What for, as its manifest says.
    pub why: String,
}

/// Where a version came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It is part of the program.
    BuiltIn,
    /// It lay in the plugin folder when the gateway started.
    Folder,
    /// Somebody installed it through the API.
    Uploaded,
}

impl Origin {
    /// Every origin.
    pub const ALL: [Self; 3] = [Self::BuiltIn, Self::Folder, Self::Uploaded];

    /// The name in the API and in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BuiltIn => "built-in",
            Self::Folder => "folder",
            Self::Uploaded => "uploaded",
        }
    }

    /// The origin of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|o| o.as_str() == name)
    }
}

/// One version of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginVersion {
    /// SHA-256 of the component, in hex.
    pub digest: String,
    /// The plugin's id.
    pub plugin: String,
    /// The version, as its manifest says.
    pub version: String,
    /// Where it came from.
    pub origin: Origin,
    /// Its manifest.
    pub manifest: String,
    /// The JSON Schema of its settings, if it has one.
    pub schema: Option<Value>,
    /// When it was installed.
    pub created_at: UtcMs,
}

/// Who may use a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Every tenant.
    Everybody,
    /// These only.
    Tenants(Vec<TenantId>),
}

impl Audience {
    /// Whether a tenant is among them; a request without credentials (`None`) is of no tenant.
    pub fn includes(&self, tenant: Option<&TenantId>) -> bool {
        match self {
            Self::Everybody => true,
            Self::Tenants(list) => tenant.is_some_and(|tenant| list.contains(tenant)),
        }
    }
}

/// Which version of a plugin is current, who may use it, and how far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginOffer {
    /// The plugin's id.
    pub plugin: String,
    /// The current version.
    pub digest: String,
    /// The version before, for rolling back.
    pub previous_digest: Option<String>,
    /// The grants it may have at most; `None`: all it asks for.
    pub grants_max: Option<Vec<Grant>>,
    /// Who may use it.
    pub audience: Audience,
    /// Whether it is on for tenants that did not say anything.
    pub default_state: Switch,
    /// Whether it serves requests without credentials, of which nobody knows whose they are; `None`: as it serves tenants that did
    /// not say anything.
    pub public_routes: Option<Switch>,
    /// Grows with every change.
    pub revision: i64,
    /// When it was changed last.
    pub changed_at: UtcMs,
}

impl PluginOffer {
    /// The offer of a plugin that is new: for everybody and with all it asks for. What comes with the program or lies in the folder
    /// is on; what somebody uploaded waits to be switched on.
    pub fn of(version: &PluginVersion) -> Self {
        Self {
            plugin: version.plugin.clone(),
            digest: version.digest.clone(),
            previous_digest: None,
            grants_max: None,
            audience: Audience::Everybody,
            default_state: match version.origin {
                Origin::BuiltIn | Origin::Folder => Switch::On,
                Origin::Uploaded => Switch::Off,
            },
            public_routes: None,
            revision: 1,
            changed_at: version.created_at,
        }
    }

    /// Whether it serves requests without credentials.
    pub fn public_state(&self) -> Switch {
        let by_default = if self.audience.includes(None) { self.default_state } else { Switch::Off };
        self.public_routes.unwrap_or(by_default)
    }

    /// Makes another version current.
    pub fn move_to(&mut self, digest: &str, now: UtcMs) {
        if self.digest != digest {
            self.previous_digest = Some(std::mem::replace(&mut self.digest, digest.to_owned()));
        }
        self.touch(now);
    }

    /// Notes a change.
    pub fn touch(&mut self, now: UtcMs) {
        self.revision += 1;
        self.changed_at = now;
    }
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// It is called.
    On,
    /// It is not.
    Off,
}

impl Switch {
    /// The name in the API and in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
        }
    }

    /// The switch of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::On, Self::Off].into_iter().find(|s| s.as_str() == name)
    }
}

/// What becomes of a plugin's work while it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// It waits until the plugin works again.
    Wait,
    /// It is done without the plugin: bodies of webhooks have the gateway's own format, messages go unpaced.
    GoOn,
}

impl OnFailure {
    /// The name in the API and in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::GoOn => "go-on",
        }
    }

    /// The rule of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Wait, Self::GoOn].into_iter().find(|rule| rule.as_str() == name)
    }
}

/// What a tenant decided about a plugin, for all its devices or for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enablement {
    /// Its id; what it keeps sealed is bound to it.
    pub id: EnablementId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The plugin's id.
    pub plugin: String,
    /// The device; `None`: all of the tenant's.
    pub device: Option<DeviceId>,
    /// On or off.
    pub state: Switch,
    /// Settings, without secrets. Those of a device are a merge patch over the tenant's.
    pub settings: Map<String, Value>,
    /// Which secret settings have a value.
    pub secret_names: Vec<String>,
    /// The secret settings, sealed.
    pub sealed_secrets: Option<Vec<u8>>,
    /// The grants it may have; `None`: all that are offered.
    pub grants: Option<Vec<Grant>>,
    /// Its place among plugins with the same hook, smallest first.
    pub position: i64,
    /// What becomes of its work while it fails; `None`: what is usual for the hook.
    pub on_failure: Option<OnFailure>,
    /// Grows with every change.
    pub revision: i64,
    /// When it was changed last.
    pub changed_at: UtcMs,
}

impl Enablement {
    /// Where its secrets are sealed for.
    pub fn seal_place(id: &EnablementId) -> String {
        format!("plugin/{id}/secrets")
    }
}
