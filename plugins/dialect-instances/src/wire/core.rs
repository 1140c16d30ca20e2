//! What the REST core takes and gives, as far as this dialect reads it.

use serde::{Deserialize, Serialize};

/// A device.
#[derive(Deserialize)]
pub(crate) struct Device {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) jid: Option<String>,
    pub(crate) created_at: String,
}

/// A page of a list.
#[derive(Deserialize)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    #[serde(default)]
    pub(crate) next: Option<String>,
}

/// A QR code waiting to be scanned.
#[derive(Deserialize)]
pub(crate) struct Qr {
    pub(crate) text: String,
    pub(crate) png: String,
    pub(crate) expires_at: String,
}

/// A webhook subscription.
#[derive(Deserialize)]
pub(crate) struct Webhook {
    #[serde(default)]
    pub(crate) device: Option<String>,
    pub(crate) url: String,
    pub(crate) format: String,
}

/// A message that was taken.
#[derive(Deserialize)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) whatsapp_id: String,
    pub(crate) status: String,
    pub(crate) chat: Party,
    #[serde(default)]
    pub(crate) created_at: Option<String>,
}

/// Who a message goes to.
#[derive(Deserialize)]
pub(crate) struct Party {
    pub(crate) id: String,
}

/// A new key; the one time it is shown.
#[derive(Deserialize)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) key: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) created_at: String,
}

/// Makes a key.
#[derive(Serialize)]
pub(crate) struct NewKey<'a> {
    pub(crate) name: &'a str,
    pub(crate) format: &'a str,
}

/// Makes a device.
#[derive(Serialize)]
pub(crate) struct NewDevice<'a> {
    pub(crate) name: &'a str,
}

/// Makes a subscription.
#[derive(Serialize)]
pub(crate) struct NewWebhook<'a> {
    pub(crate) device: &'a str,
    pub(crate) url: &'a str,
    pub(crate) events: [&'a str; 1],
    pub(crate) format: &'a str,
}

/// Sends a message.
#[derive(Serialize)]
pub(crate) struct NewMessage<'a> {
    pub(crate) to: &'a str,
    pub(crate) content: Content<'a>,
}

/// What a message says.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Content<'a> {
    Text { text: &'a str },
}
