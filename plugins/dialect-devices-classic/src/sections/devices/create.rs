//! Making a device: the device with its webhook, and its key.

use portico_sdk::api::{MadeDevice, MadeKey};
use portico_sdk::dialect::{Call, Fault};
use portico_sdk::http::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::view::{self, SETTINGS};
use crate::names::{SESSION, is_user, session_of, sessions_of};
use crate::sections::{ai, webhooks};
use crate::{Classic, told};

/// What a device's own key may do. It opens the socket too, which tells states, messages, and the QR code that links the device.
const KEY_SCOPES: [&str; 4] = ["devices:read", "devices:write", "messages:read", "messages:write"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewDevice {
    user_id: u64,
    alias: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    webhook: Option<webhooks::Change>,
    #[serde(default)]
    ai_settings: Option<Value>,
}

pub(super) fn create(call: &Call<Classic>) -> Result<Response, Fault> {
    let NewDevice { user_id, alias, description, webhook, ai_settings } = call.json()?;
    if !is_user(user_id) {
        return Err(Fault::invalid("userId", "must be a number up to 9007199254740991"));
    }
    let session = session_of(user_id, &alias).ok_or_else(two_dots)?;
    let mut own = json!({ "userId": user_id });
    if let Some(description) = description {
        own["description"] = json!(description);
    }
    if let Some(settings) = &ai_settings {
        own["ai"] = ai::checked("aiSettings", settings)?;
    }
    let mut new = json!({
        "name": alias,
        "refs": { SESSION: session, sessions_of(user_id): session },
        "settings": { SETTINGS: own },
    });
    if let Some(webhook) = webhook {
        let (webhook, kept) = webhooks::of_new_device(&webhook)?;
        new["webhook"] = webhook;
        new["settings"][SETTINGS][webhooks::OWN] = kept;
    }
    let MadeDevice { device, .. } = call.gateway.post("/v1/devices", &new)?.json()?;
    let key = json!({ "name": format!("device {}", device.number), "device": device.id, "prefix": "dev_",
        "revealable": true, "scopes": KEY_SCOPES });
    let key = match call.gateway.post("/v1/keys", &key).and_then(|answer| answer.json::<MadeKey>()) {
        Ok(key) => key.secret,
        Err(error) => {
            // Else the client could neither use the device nor make it again under its alias.
            let _ = call.gateway.delete(&format!("/v1/devices/{}", device.id));
            return Err(error.into());
        }
    };
    let mut shown = view::full(&device, call.now_ms);
    shown["apiKey"] = json!(key);
    let socket = view::socket(call, key.as_deref())?;
    Ok(told(json!({ "device": shown, "wsEndpoint": socket }), Some("Device created successfully")))
}

pub(super) fn two_dots() -> Fault {
    Fault::invalid("alias", "must not hold two dots in a row")
}
