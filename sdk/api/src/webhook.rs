//! Webhooks: who gets which events posted.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{BoundedMap, BoundedVec, Timestamp};

/// Names of events in one subscription at most.
pub const EVENTS_MAX: usize = 100;

/// Headers of one subscription at most.
pub const HEADERS_MAX: usize = 20;

/// Whether a subscription gets deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum WebhookState {
    /// It does.
    Enabled,
    /// It failed for too long, answered 410, or was switched off.
    Disabled,
}

/// Who wants which events, and where to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Webhook {
    /// Its id.
    pub id: String,
    /// Its number within the tenant; `no:<number>` stands for the id in paths.
    pub number: u32,
    /// Only events of this device; absent: of all the tenant's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub device: Option<String>,
    /// Where deliveries go.
    pub url: String,
    /// Names of events, `message.*` or `*`.
    pub events: Vec<String>,
    /// Names of the headers that are sent along with every delivery. Their values are never shown.
    pub header_names: Vec<String>,
    /// The plugin that shapes the body.
    pub format: String,
    /// Whether it gets deliveries.
    pub state: WebhookState,
    /// Why it is disabled.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// Since when every attempt failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failing_since: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a webhook is to be.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewWebhook {
    /// Only events of this device; absent: of all.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub device: Option<String>,
    /// Where deliveries go.
    #[cfg_attr(feature = "openapi", schema(example = "https://example.com/hook"))]
    pub url: String,
    /// Names of events, `<noun>.*` or `*`.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>, max_items = 100, example = json!(["message.*"])))]
    pub events: BoundedVec<String, EVENTS_MAX>,
    /// Sent along with every delivery, such as `Authorization`. Values are stored sealed and never shown again: answers have
    /// `header_names` only.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, String>))]
    pub headers: BoundedMap<String, HEADERS_MAX>,
    /// The plugin that shapes the body; absent: the default one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub format: Option<String>,
    /// A JSON object that the plugin is told with each event. It is stored sealed and never shown again.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub format_data: Option<Map<String, Value>>,
    /// `whsec_` and the base64 of 24 to 64 random bytes, or any other text of up to 256 characters, whose bytes are the key
    /// then; absent: one is made.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub secret: Option<String>,
}

/// A webhook with its signing key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MadeWebhook {
    /// The webhook.
    #[serde(flatten)]
    pub webhook: Webhook,
    /// Signs deliveries (Standard Webhooks); shown when the webhook is made, and to a repetition of that request
    /// (`Idempotency-Key`).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub secret: Option<String>,
}

/// What is to change; what is absent stays.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct WebhookPatch {
    /// Where deliveries go.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub url: Option<String>,
    /// Names of events, `<noun>.*` or `*`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<String>>, max_items = 100))]
    pub events: Option<BoundedVec<String, EVENTS_MAX>>,
    /// Sent along with every delivery; replaces all that were set before, so name those again that are to stay.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<BTreeMap<String, String>>))]
    pub headers: Option<BoundedMap<String, HEADERS_MAX>>,
    /// The plugin that shapes the body.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub format: Option<String>,
    /// Replaces the JSON object that the plugin is told with each event; it is never shown.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub format_data: Option<Map<String, Value>>,
    /// Another signing key.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub secret: Option<String>,
    /// `enabled` gives it the events stored from then on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub state: Option<WebhookState>,
}
