//! Changing and deleting a device.

use portico_sdk::api::Device;
use portico_sdk::dialect::{Call, Fault};
use portico_sdk::http::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::create::two_dots;
use super::view::{self, SETTINGS, session_id, user_of};
use super::{count, found};
use crate::names::{SESSION, session_of, sessions_of};
use crate::sections::{ai, webhooks};
use crate::{Classic, told};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Update {
    #[serde(default)]
    alias: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    webhook: Option<webhooks::Change>,
    #[serde(default)]
    ai_settings: Option<Value>,
}

/// What is left out stays as it is. A new alias makes a new session id, which is made of it.
pub(super) fn update(call: &Call<Classic>) -> Result<Response, Fault> {
    let Update { alias, description, webhook, ai_settings } = call.json()?;
    let mut own = json!({});
    if let Some(description) = description {
        own["description"] = json!(description);
    }
    if let Some(settings) = &ai_settings {
        own["ai"] = ai::checked("aiSettings", settings)?;
    }
    let device = found(call, &call.param("deviceId")?)?;
    let mut change = json!({ "settings": { SETTINGS: own } });
    if let Some(alias) = alias.filter(|alias| *alias != device.name) {
        change["name"] = json!(alias);
        if let (Some(user), Some(_)) = (user_of(&device), session_id(&device)) {
            let session = session_of(user, &alias).ok_or_else(two_dots)?;
            change["refs"] = json!({ SESSION: session, sessions_of(user): session });
        }
    }
    // First: where the webhook is refused, nothing else has been changed yet.
    if let Some(webhook) = webhook {
        let (_, kept) = webhooks::changed(call, &device, &webhook)?;
        change["settings"][SETTINGS][webhooks::OWN] = kept;
    }
    let device: Device = call.gateway.patch(&format!("/v1/devices/{}", device.id), &change)?.json()?;
    Ok(told(json!({ "device": view::full(&device, call.now_ms) }), Some("Device updated successfully")))
}

/// Deletes a device with everything stored about it. The core keeps no contacts.
pub(super) fn remove(call: &Call<Classic>) -> Result<Response, Fault> {
    let device = found(call, &call.param("deviceId")?)?;
    let messages = count(call, &device, "")?;
    call.gateway.delete(&format!("/v1/devices/{}", device.id))?;
    let gone = json!({
        "deletedDevice": { "id": device.number.to_string(), "alias": device.name },
        "cleanedData": {
            "messagesDeleted": messages,
            "contactsDeleted": 0,
            "sessionsDeleted": u8::from(device.jid.is_some()),
        },
    });
    Ok(told(gone, Some("Device deleted successfully")))
}
