//! Plugins: what is installed.

use serde::{Deserialize, Serialize};

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
    /// What it asked for and got; what is not listed, it can't do.
    pub grants: Vec<Granted>,
}
