//! The server itself: health and version.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// How a part of the gateway fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PartStatus {
    /// Well.
    Ok,
    /// It works, but not as it should.
    Degraded,
    /// It does not work; the gateway is not ready.
    Down,
}

/// A part of the gateway, as `/health` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Part {
    /// In snake_case, such as `store` or `deliver`.
    pub name: String,
    /// How it fares.
    pub status: PartStatus,
    /// What is wrong and what to do. Everybody can read it: no secrets, no addresses.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
}

/// How the gateway fares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Health {
    /// The worst of its parts.
    pub status: PartStatus,
    /// Always true in an answer.
    pub live: bool,
    /// Whether requests can be served now; false while stopping or when a part is down.
    pub ready: bool,
    /// The running version.
    pub version: Cow<'static, str>,
    /// Seconds since the gateway started.
    pub uptime_s: u64,
    /// Its parts.
    pub parts: Vec<Part>,
}

/// The version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Version {
    /// Of the gateway.
    pub version: Cow<'static, str>,
    /// Of the REST core.
    pub api: Cow<'static, str>,
}
