//! What this API takes and gives.

use serde::{Deserialize, Serialize};

/// `POST /api/auth/generate-key`
#[derive(Deserialize)]
pub(crate) struct GenerateKey {
    pub(crate) name: String,
}

/// A new API key.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiKey {
    pub(crate) name: String,
    pub(crate) api_key: String,
    pub(crate) permissions: Vec<&'static str>,
    pub(crate) created_at: String,
}

/// `POST /api/instance/create`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateInstance {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) webhook_url: Option<String>,
}

/// An instance.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) webhook_url: Option<String>,
    pub(crate) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) phone_number: Option<String>,
    pub(crate) created_at: String,
}

/// Where an instance stands.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    pub(crate) instance_id: String,
    pub(crate) status: &'static str,
    /// Once paired: clients look for their own number here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) phone_number: Option<String>,
}

/// A QR code. `qr` is the text to scan, `qr_code` a picture of it as a data URL.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Qr {
    pub(crate) instance_id: String,
    pub(crate) qr: Option<String>,
    pub(crate) qr_code: Option<String>,
    pub(crate) status: &'static str,
    pub(crate) expires_at: Option<String>,
}

/// An instance that is gone.
#[derive(Serialize)]
pub(crate) struct Deleted {
    pub(crate) id: String,
}

/// `POST /api/message/send/text`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SendText {
    pub(crate) instance_id: String,
    pub(crate) to: String,
    pub(crate) message: String,
}

/// A message that was taken. `message_id` is WhatsApp's, as webhooks carry it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sent {
    pub(crate) message_id: String,
    pub(crate) id: String,
    pub(crate) to: String,
    pub(crate) status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timestamp: Option<String>,
}
