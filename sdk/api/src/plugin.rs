//! Plugins: what is installed, who may use it, and what is on with which settings.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{BoundedVec, Timestamp};

/// Tenants that one offer may name.
pub const AUDIENCE_MAX: usize = 10_000;
/// Grants that one list may name.
pub const GRANTS_MAX: usize = 100;

/// Which hooks a plugin has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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

/// What can be granted to a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Grant {
    /// Requests of the REST core with the credentials of the caller being served.
    Rest,
    /// Acting for whoever's credentials stand in a request's body or path.
    Assume,
    /// Values of its own, kept per tenant and device.
    Kv,
}

/// A grant that a plugin was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Granted {
    /// What.
    pub kind: Grant,
    /// What for, as its manifest says.
    pub why: String,
}

/// Where a dialect is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Mount {
    /// Always served at `/d/<name>`.
    pub name: String,
    /// Prefixes at the root below which it answers what it has no route for, such as `/api/instance`.
    pub root: Vec<String>,
}

/// An installed plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = PluginInfo))]
pub struct Plugin {
    /// Its id, as in its manifest.
    pub id: String,
    /// Its version.
    pub version: String,
    /// For people.
    pub name: String,
    /// SHA-256 of the component, in hex.
    pub digest: String,
    /// What it exports.
    pub hooks: Vec<Hook>,
    /// The dialect's place in the URL space, if it is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mount: Option<Mount>,
    /// How many routes it serves there.
    pub routes: u32,
    /// What it asks for and why; what is not listed, it can't be granted.
    pub grants: Vec<Granted>,
    /// Whether it is on for this tenant, devices that say otherwise aside.
    pub state: Switch,
    /// The JSON Schema of its settings, if it has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub settings_schema: Option<Value>,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Switch {
    /// It is called.
    On,
    /// It is not.
    Off,
}

/// Where a version came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = PluginOrigin))]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// It is part of the program.
    BuiltIn,
    /// It lay in the plugin folder when the gateway started.
    Folder,
    /// Somebody installed it through the API.
    Uploaded,
}

/// What becomes of a plugin's work while it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = PluginOnFailure))]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// It waits until the plugin works again.
    Wait,
    /// It is done without the plugin: bodies of webhooks have the gateway's own format, messages go unpaced. Webhooks in the format of
    /// a dialect wait all the same.
    GoOn,
}

/// A version of a plugin that is installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PluginVersion {
    /// SHA-256 of the component, in hex.
    pub digest: String,
    /// The version, as its manifest says.
    pub version: String,
    /// Where it came from.
    pub origin: Origin,
    /// When it was installed.
    pub created_at: Timestamp,
}

/// Which version of a plugin is current, who may use it, and how far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PluginOffer {
    /// The plugin's id.
    pub plugin: String,
    /// The current version's digest.
    pub digest: String,
    /// The digest to which a roll-back goes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub previous_digest: Option<String>,
    /// The grants it may have at most; absent: all it asks for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub grants_max: Option<Vec<Grant>>,
    /// The tenants that may use it; absent: all.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tenants: Option<Vec<String>>,
    /// Whether it is on for tenants that did not say anything.
    pub default_state: Switch,
    /// Whether it serves requests without credentials, such as a sign-up or a page with a token in its address; absent: as it serves
    /// tenants that did not say anything.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub public_routes: Option<Switch>,
    /// Grows with every change.
    pub revision: i64,
    /// When it was changed last.
    pub changed_at: Timestamp,
}

/// What is to change of an offer; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PluginOfferPatch {
    /// Makes this installed version the current one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub digest: Option<String>,
    /// The grants it may have at most; `null`: all it asks for.
    #[serde(skip_serializing_if = "Option::is_none", default, with = "nullable")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<Grant>>))]
    pub grants_max: Option<Option<BoundedVec<Grant, GRANTS_MAX>>>,
    /// The tenants that may use it; `null`: all.
    #[serde(skip_serializing_if = "Option::is_none", default, with = "nullable")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<String>>))]
    pub tenants: Option<Option<BoundedVec<String, AUDIENCE_MAX>>>,
    /// Whether it is on for tenants that did not say anything.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub default_state: Option<Switch>,
    /// Whether it serves requests without credentials; `null`: as it serves tenants that did not say anything.
    #[serde(skip_serializing_if = "Option::is_none", default, with = "nullable")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Switch>))]
    pub public_routes: Option<Option<Switch>>,
    /// The revision the change was made for; refused when there is a newer one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revision: Option<i64>,
}

/// What a tenant decided about a plugin, for all its devices or for one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PluginEnablement {
    /// The plugin's id.
    pub plugin: String,
    /// The device; absent: all of the tenant's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub device: Option<String>,
    /// On or off.
    pub state: Switch,
    /// Settings, without secrets. Those of a device are a merge patch (RFC 7396) over the tenant's.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub settings: Map<String, Value>,
    /// Which secret settings have a value. The values are never shown.
    pub secrets: Vec<String>,
    /// The grants it may have; absent: all that are offered.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub grants: Option<Vec<Grant>>,
    /// Its place among plugins with the same hook, smallest first.
    pub position: i64,
    /// What becomes of its work while it fails; absent: webhooks go out in the gateway's own format, and messages wait.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub on_failure: Option<OnFailure>,
    /// Grows with every change.
    pub revision: i64,
    /// When it was changed last.
    pub changed_at: Timestamp,
}

/// A whole enablement. Secret settings that are absent keep their values; `null` removes one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewPluginEnablement {
    /// On or off.
    pub state: Switch,
    /// Settings, secret ones included.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub settings: Map<String, Value>,
    /// The grants it may have; absent or `null`: all that are offered.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<Grant>>))]
    pub grants: Option<BoundedVec<Grant, GRANTS_MAX>>,
    /// Its place among plugins with the same hook, smallest first.
    #[serde(default)]
    pub position: i64,
    /// What becomes of its work while it fails; absent: webhooks go out in the gateway's own format, and messages wait.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub on_failure: Option<OnFailure>,
    /// The revision the change was made for, 0 for none; refused when there is another one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revision: Option<i64>,
}

/// What is to change of an enablement; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PluginEnablementPatch {
    /// On or off.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub state: Option<Switch>,
    /// A merge patch (RFC 7396) over the settings: `null` removes one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub settings: Option<Map<String, Value>>,
    /// The grants it may have; `null`: all that are offered.
    #[serde(skip_serializing_if = "Option::is_none", default, with = "nullable")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<Grant>>))]
    pub grants: Option<Option<BoundedVec<Grant, GRANTS_MAX>>>,
    /// Its place among plugins with the same hook, smallest first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub position: Option<i64>,
    /// What becomes of its work while it fails; `null`: what is usual.
    #[serde(skip_serializing_if = "Option::is_none", default, with = "nullable")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<OnFailure>))]
    pub on_failure: Option<Option<OnFailure>>,
    /// The revision the change was made for, 0 for none; refused when there is another one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revision: Option<i64>,
}

/// What decided whether a plugin is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum DecidedBy {
    /// The device's enablement.
    Device,
    /// The tenant's enablement.
    Tenant,
    /// The offer: nobody said anything.
    Offer,
}

/// What holds for a tenant or a device, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EffectivePlugin {
    /// The plugin's id.
    pub plugin: String,
    /// The version that is called.
    pub version: String,
    /// Its digest.
    pub digest: String,
    /// Whether it is called.
    pub state: Switch,
    /// What decided that.
    pub decided_by: DecidedBy,
    /// The settings as the plugin is given them: the tenant's, the device's over them, defaults for what is missing.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub settings: Map<String, Value>,
    /// Which secret settings have a value.
    pub secrets: Vec<String>,
    /// Why the settings can't work, if they can't: the plugin is not called then.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub problem: Option<String>,
    /// What it asks for, and what becomes of it.
    pub grants: Vec<EffectiveGrant>,
    /// Its place among plugins with the same hook, smallest first.
    pub position: i64,
    /// What becomes of its work while it fails; absent: webhooks go out in the gateway's own format, and messages wait.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub on_failure: Option<OnFailure>,
}

/// What becomes of a grant that a plugin asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EffectiveGrant {
    /// What.
    pub kind: Grant,
    /// What for, as its manifest says.
    pub why: String,
    /// Whether it has it.
    pub granted: bool,
    /// Who withholds it, if it has not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub withheld_by: Option<DecidedBy>,
}

/// A member that may be absent, `null` or a value: absent is `None`, `null` is `Some(None)`.
mod nullable {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn deserialize<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
        deserializer: D,
    ) -> Result<Option<Option<T>>, D::Error> {
        Option::deserialize(deserializer).map(Some)
    }

    pub(super) fn serialize<S: Serializer, T: Serialize>(
        value: &Option<Option<T>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().and_then(Option::as_ref).serialize(serializer)
    }
}
