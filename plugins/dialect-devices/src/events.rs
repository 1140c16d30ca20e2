//! Webhooks: events of the gateway in the shape this API documents.

use portico_sdk::HookError;
use portico_sdk::api::{Device, Message};
use portico_sdk::format::{Event, Outcome, Parts, Scheme};
use portico_sdk::time::iso;
use serde_json::{Value, json};

use crate::names::{phone_of, status_of};
use crate::sections::devices::session_id;

/// Where the signature goes, in hexadecimal digits.
const SIGNATURE_HEADER: &str = "x-webhook-signature";

/// One delivery, or why there is none.
pub(crate) fn outcome(event: &Event) -> Result<Outcome, HookError> {
    let Some(device) = &event.device else { return Ok(Outcome::Skip("it concerns no device".into())) };
    // Of a message the event tells the core's id of the device only. It is taken in paths as well.
    let mut about = json!({ "deviceId": device });
    let (name, data) = match event.name.as_str() {
        "device.state" => {
            let device: Device = read(event)?;
            about = json!({ "deviceId": device.number.to_string(), "sessionId": session_id(&device) });
            ("connection", connection(&device))
        }
        "message.received" => ("message", message(event, &read(event)?)),
        "message.sent" => ("status", status(event, "sent")?),
        "message.delivered" => ("status", status(event, "delivered")?),
        "message.read" => ("status", status(event, "read")?),
        "message.failed" => ("status", status(event, "failed")?),
        _ => return Ok(Outcome::Skip("this API has no such event".into())),
    };
    // `type` says the same: a documented sample reads it.
    let mut body = json!({ "event": name, "type": name, "timestamp": iso(event.at) });
    for (member, value) in about.as_object().into_iter().flatten() {
        body[member] = value.clone();
    }
    body["data"] = data;
    Ok(Outcome::Send(Parts::json(&body)?.signed(Scheme::HmacSha256Hex, "", SIGNATURE_HEADER)))
}

fn read<T: serde::de::DeserializeOwned>(event: &Event) -> Result<T, HookError> {
    serde_json::from_value(event.data()?)
        .map_err(|e| HookError::InvalidInput(format!("the payload of {} is of another shape: {e}", event.name)))
}

fn connection(device: &Device) -> Value {
    json!({
        "status": status_of(device),
        "phoneNumber": device.jid.as_deref().and_then(phone_of),
        "device": device.name,
    })
}

fn message(event: &Event, message: &Message) -> Value {
    let sender = message.sender.as_ref().unwrap_or(&message.chat);
    let content = serde_json::to_value(&message.content).unwrap_or_default();
    let text = content["text"].as_str().or(content["caption"].as_str()).unwrap_or_default();
    // What the core stores no more of has its own name in `kind`.
    let kind = if content["type"] == "other" { &content["kind"] } else { &content["type"] };
    json!({
        "messageId": message.id,
        "from": sender.id,
        "fromNumber": phone_of(sender.pn.as_deref().unwrap_or(&sender.id)),
        "message": text,
        "type": kind,
        "timestamp": event.at,
    })
}

fn status(event: &Event, status: &str) -> Result<Value, HookError> {
    let message: Message = read(event)?;
    Ok(json!({ "messageId": message.id, "status": status, "timestamp": event.at }))
}
