//! WhatsApp accounts: devices as this API shows them.

use portico_sdk::api::{Device, DeviceState};
use portico_sdk::dialect::{Call, Fault};
use serde_json::{Map, Value, json};

use crate::{Accounts, token, user};

/// The namespace of this API in the settings of a device.
const SETTINGS: &str = "accounts";

/// An account that was just made, and its token.
pub(crate) struct Made {
    pub(crate) device: Device,
    pub(crate) token: String,
}

/// Makes a device and its token.
pub(crate) fn make(call: &Call<Accounts>, owner: &portico_sdk::api::User) -> Result<Made, Fault> {
    // A holder of the token alone is told the owner's number and can't look at users.
    let settings = json!({ SETTINGS: { "mobile": user::mobile(owner) } });
    let new = json!({ "name": owner.name, "settings": settings });
    let device: Device = call.gateway.post("/v1/devices", &new)?.json()?;
    match token::make(call, &device) {
        Ok(token) => Ok(Made { device, token }),
        Err(fault) => {
            // Without a token nobody could reach it. If this fails too, the first error still tells more.
            let _ = call.gateway.delete(&format!("/v1/devices/{}", device.id));
            Err(fault)
        }
    }
}

pub(crate) fn is_connected(device: &Device) -> bool {
    device.state == DeviceState::Connected
}

/// The account's number as `+` and digits, once paired.
pub(crate) fn phone_number(device: &Device) -> Option<String> {
    let digits = device.jid.as_deref()?.split(['@', ':']).next()?;
    Some(format!("+{digits}"))
}

/// The owner's number, as it was when the account was made.
pub(crate) fn owner_mobile(device: &Device) -> Value {
    device.settings.get(SETTINGS).map_or(Value::Null, |settings| settings["mobile"].clone())
}

/// An account for whoever has its token.
pub(crate) fn shown(device: &Device, token: &str) -> Value {
    json!({ "accountToken": token, "phoneNumber": phone_number(device), "whatsappName": device.push_name,
        "isConnected": is_connected(device), "createdAt": device.created_at })
}

/// An account for its owner. A device that was made elsewhere has no token.
pub(crate) fn owned(device: &Device, token: Option<&str>, owner: u64) -> Value {
    json!({ "id": device.number, "userId": owner, "accountToken": token, "phoneNumber": phone_number(device),
        "whatsappName": device.push_name, "isConnected": is_connected(device), "createdAt": device.created_at })
}

/// The templates that were made for the account, by name.
pub(crate) fn own_templates(device: &Device) -> Map<String, Value> {
    let own = device.settings.get(SETTINGS).and_then(|settings| settings["templates"].as_object());
    own.cloned().unwrap_or_default()
}

/// A merge patch of a device's settings that sets one template, or removes it with `null`.
pub(crate) fn template_patch(name: &str, text: Value) -> Value {
    json!({ SETTINGS: { "templates": { name: text } } })
}

/// A JID with a phone number as this API writes numbers; any other one stays as it is.
pub(crate) fn number_of(jid: &str) -> String {
    match jid.split_once('@') {
        Some((user, "s.whatsapp.net")) => format!("+{}", user.split(':').next().unwrap_or(user)),
        _ => jid.to_owned(),
    }
}
