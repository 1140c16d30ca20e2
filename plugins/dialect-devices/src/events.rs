//! Webhooks: events of the gateway in the shape this API documents.

use portico_sdk::HookError;
use portico_sdk::api::{Device, Message};
use portico_sdk::format::{Event, Outcome, Parts, Scheme};
use portico_sdk::time::iso;
use serde_json::{Value, json};

use crate::names::{SESSION, phone_of, status_of};
use crate::sections::devices::session_id;

/// Where the signature goes, in hexadecimal digits.
const SIGNATURE_HEADER: &str = "x-webhook-signature";

/// One delivery, or why there is none.
pub(crate) fn outcome(event: &Event) -> Result<Outcome, HookError> {
    let Some(device) = &event.device else { return Ok(Outcome::Skip("it concerns no device".into())) };
    // Numbers are what this API's clients know devices by; a device that is gone has only the core's id left.
    let number = event.device_number.map(|number| number.to_string());
    let mut about = json!({ "deviceId": number.as_deref().unwrap_or(device) });
    if let Some(session) = event.device_ref(SESSION) {
        about["sessionId"] = json!(session);
    }
    let (name, data) = match event.name.as_str() {
        "device.state" => {
            let device: Device = read(event)?;
            about = json!({ "deviceId": device.number.to_string(), "sessionId": session_id(&device) });
            ("connection", connection(&device))
        }
        "message.received" => ("message", message(event.at, &read(event)?)),
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

/// A received message, with the time of its event.
pub(crate) fn message(at: u64, message: &Message) -> Value {
    let sender = message.sender.as_ref().unwrap_or(&message.chat);
    let content = serde_json::to_value(&message.content).unwrap_or_default();
    let text = content["text"].as_str().or(content["caption"].as_str()).unwrap_or_default();
    // What the core stores no more of has its own name in `kind`.
    let kind = if content["type"] == "other" { &content["kind"] } else { &content["type"] };
    json!({
        "messageId": message.id,
        "from": sender.pn.as_deref().unwrap_or(&sender.id),
        "fromNumber": phone_of(sender.pn.as_deref().unwrap_or(&sender.id)),
        "message": text,
        "type": kind,
        "timestamp": at,
    })
}

fn status(event: &Event, status: &str) -> Result<Value, HookError> {
    let message: Message = read(event)?;
    Ok(json!({ "messageId": message.id, "status": status, "timestamp": event.at }))
}

#[cfg(test)]
mod tests {
    use portico_sdk::format::Placement;

    use super::*;

    const DEVICE: &str = "dev_00000000000000000000000011";
    const AT: &str = "2026-01-01T00:00:00.000Z";

    fn event(name: &str, payload: &Value) -> Event {
        let device = Some(DEVICE.to_owned());
        Event {
            id: "evt_1".into(),
            seq: 1,
            name: name.into(),
            at: 1_767_225_600_000,
            device,
            device_number: Some(7),
            refs: vec![(SESSION.into(), "user_shop_device_front".into())],
            payload: payload.to_string(),
            file_link: None,
        }
    }

    fn body(name: &str, payload: &Value) -> Value {
        match outcome(&event(name, payload)).expect("an outcome") {
            Outcome::Send(parts) => {
                assert_eq!(parts.signing[0].placement, Placement::Header(SIGNATURE_HEADER.into()));
                serde_json::from_slice(&parts.body).expect("JSON")
            }
            Outcome::Skip(_) => Value::Null,
        }
    }

    fn message(content: &Value) -> Value {
        json!({ "id": "msg_1", "device": DEVICE, "direction": "in", "chat": { "id": "15550100002@s.whatsapp.net" },
            "sender": { "id": "99@lid", "pn": "15550100002@s.whatsapp.net" }, "whatsapp_id": "3EB0", "content": content,
            "status": "received", "created_at": AT, "timestamp": AT, "times": {} })
    }

    #[test]
    fn a_received_text_has_the_documented_shape() {
        let expected = json!({ "event": "message", "type": "message", "timestamp": AT, "deviceId": "7",
            "sessionId": "user_shop_device_front",
            "data": { "messageId": "msg_1", "from": "15550100002@s.whatsapp.net", "fromNumber": "+15550100002",
                "message": "Hello!", "type": "text", "timestamp": 1_767_225_600_000_u64 } });
        assert_eq!(body("message.received", &message(&json!({ "type": "text", "text": "Hello!" }))), expected);
    }

    #[test]
    fn a_file_shows_its_kind_and_caption() {
        let image = json!({ "type": "image", "media": { "url": "/v1/x" }, "caption": "Look" });
        let shown = body("message.received", &message(&image));
        assert_eq!((&shown["data"]["type"], &shown["data"]["message"]), (&json!("image"), &json!("Look")));
        let poll = body("message.received", &message(&json!({ "type": "other", "kind": "poll_creation" })));
        assert_eq!((&poll["data"]["type"], &poll["data"]["message"]), (&json!("poll_creation"), &json!("")));
    }

    #[test]
    fn a_connection_names_the_session() {
        let device = json!({ "id": DEVICE, "number": 7, "name": "front", "state": "connected", "state_since": AT,
            "wanted": "running", "jid": "15550100001:7@s.whatsapp.net", "created_at": AT,
            "refs": { "devices.session": "user_shop_device_front" } });
        let expected = json!({ "event": "connection", "type": "connection", "timestamp": AT, "deviceId": "7",
            "sessionId": "user_shop_device_front",
            "data": { "status": "connected", "phoneNumber": "+15550100001", "device": "front" } });
        assert_eq!(body("device.state", &device), expected);
    }

    #[test]
    fn each_step_of_a_message_is_a_status() {
        let payload = message(&json!({ "type": "text", "text": "Hello!" }));
        for (name, status) in [("message.sent", "sent"), ("message.read", "read"), ("message.failed", "failed")] {
            let expected = json!({ "messageId": "msg_1", "status": status, "timestamp": 1_767_225_600_000_u64 });
            assert_eq!(body(name, &payload)["data"], expected);
        }
        assert_eq!(body("webhook.disabled", &json!({})), Value::Null);
    }
}
