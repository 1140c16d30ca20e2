//! Devices and their sessions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{BoundedMap, BoundedVec, EVENTS_MAX, HEADERS_MAX, MadeWebhook, Timestamp};

/// Names that other systems give to one device at most.
pub const REFS_MAX: usize = 16;

/// Where a device stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DeviceState {
    /// Made, never connected.
    Created,
    /// Dialling and logging in.
    Connecting,
    /// Waiting for a phone to scan the QR code or to enter the pairing code.
    Pairing,
    /// WhatsApp asks for the passkey on the phone before it links.
    PasskeyRequired,
    /// Logged in.
    Connected,
    /// The connection broke; it is being made again. Messages wait.
    Reconnecting,
    /// No session runs.
    Disconnected,
    /// Unlinked; only a new pairing helps.
    LoggedOut,
}

/// Whether the gateway should keep a session of the device running, also after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// Keep it connected.
    Running,
    /// Leave it alone.
    Stopped,
}

/// Why a device is in its state: a stable code, kept with it and told in the event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StateReason {
    /// In snake_case, such as `qr_expired`, `replaced`, `temporary_ban`.
    pub code: String,
    /// For people: what happened and what to do.
    pub text: String,
}

/// One linked companion device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Device {
    /// Its id.
    pub id: String,
    /// Its number within the tenant; `no:<number>` stands for the id in paths.
    pub number: u32,
    /// The name the owner gave it.
    pub name: String,
    /// Where it stands.
    pub state: DeviceState,
    /// Why it stands there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<StateReason>,
    /// Since when.
    pub state_since: Timestamp,
    /// When the state ends by itself; absent where it may last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub deadline: Option<Timestamp>,
    /// Whether the gateway should keep it running.
    pub wanted: Wanted,
    /// The account's JID with the phone number, once paired.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub jid: Option<String>,
    /// The account's LID, once paired.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lid: Option<String>,
    /// The account's own name, once known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub push_name: Option<String>,
    /// What other systems call it, by namespace; `ref:<namespace>:<value>` stands for the id in paths.
    #[serde(default)]
    pub refs: BTreeMap<String, String>,
    /// What its owner keeps with it.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub settings: Map<String, Value>,
    /// When it was created.
    pub created_at: Timestamp,
}

/// What a device is to be.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewDevice {
    /// What you call it.
    #[cfg_attr(feature = "openapi", schema(example = "sales"))]
    pub name: String,
    /// What other systems call it, by namespace. A value is unique within the tenant and its namespace.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, String>, example = json!({ "shop": "1001" })))]
    pub refs: BoundedMap<String, REFS_MAX>,
    /// A JSON object to be kept with it.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub settings: Map<String, Value>,
    /// A webhook for its events, made with it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub webhook: Option<NewDeviceWebhook>,
}

/// A webhook that is made with its device.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewDeviceWebhook {
    /// Where deliveries go.
    #[cfg_attr(feature = "openapi", schema(example = "https://example.com/hook"))]
    pub url: String,
    /// Names of events, `<noun>.*` or `*`.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>, max_items = 100, example = json!(["message.*"])))]
    pub events: BoundedVec<String, EVENTS_MAX>,
    /// Sent along with every delivery.
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

/// A device, and the webhook that was made with it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MadeDevice {
    /// The device.
    #[serde(flatten)]
    pub device: Device,
    /// The webhook.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub webhook: Option<MadeWebhook>,
}

/// What is to change of a device; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DevicePatch {
    /// What you call it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "openapi", schema(example = "sales"))]
    pub name: Option<String>,
    /// What other systems call it, by namespace: each set anew, or removed with `null`; those not named stay.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<BTreeMap<String, Option<String>>>))]
    pub refs: Option<BoundedMap<Option<String>, REFS_MAX>>,
    /// A merge patch (RFC 7396) of its settings: `null` removes, objects are merged, the rest is replaced.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub settings: Option<Map<String, Value>>,
}

/// What one session costs and how it fares.
#[derive(Clone, Default, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Resources {
    /// Frames received since the session began.
    pub frames_in: u64,
    /// Frames sent since the session began.
    pub frames_out: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// How often the connection was made again.
    pub reconnects: u64,
    /// When the last frame came.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_frame_at: Option<Timestamp>,
    /// Messages that could not be decrypted.
    pub undecryptable: u64,
    /// An estimate of the memory the session's caches hold, in bytes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub memory_bytes: Option<u64>,
}

/// How a QR code is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum QrFormat {
    /// `{text, png, expires_at}`.
    Json,
    /// A picture.
    Png,
    /// A page that asks for a key, follows the device and shows each new code.
    Html,
    /// Half blocks for a terminal with a dark background.
    Text,
}

/// A QR code to scan with a phone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QrCode {
    /// What the code encodes. A secret: who scans it first owns the device.
    pub text: String,
    /// A PNG as a data URL.
    pub png: String,
    /// When WhatsApp stops accepting it; a new one follows.
    pub expires_at: Timestamp,
}

/// Whose phone is to be linked.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PairingPhone {
    /// The phone's number in international form.
    #[cfg_attr(feature = "openapi", schema(example = "15550100002"))]
    pub phone: String,
}

/// A code to type on the phone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PairingCode {
    /// Eight characters.
    pub code: String,
    /// When WhatsApp stops accepting it.
    pub expires_at: Timestamp,
}
