//! Webhooks: events of the gateway in the shape this API documents.

use portico_sdk::HookError;
use portico_sdk::api::{Device, Message};
use portico_sdk::format::{Event, Outcome, Parts, Scheme};
use portico_sdk::time::iso;
use serde_json::{Value, json};

use crate::shape;

/// Where the signature over the whole body goes, and what stands before it.
const SIGNATURE_HEADER: (&str, &str) = ("x-signature", "sha256=");
/// The member of the body that holds a signature over the body without it.
const SIGNATURE_MEMBER: &str = "signature";

/// The member of a subscription's data that names the events its owner wants, in this API's words.
pub(crate) const WANTED: &str = "events";
/// The member that holds the payload of the newest test.
pub(crate) const TEST_PAYLOAD: &str = "testPayload";

/// One delivery, or why there is none. `subscribed` is the subscription's data, `link` where the message's file can be had.
pub(crate) fn outcome(subscribed: &Value, link: Option<&str>, event: &Event) -> Result<Outcome, HookError> {
    let Some((name, data)) = told(subscribed, link, event)? else {
        return Ok(Outcome::Skip("its subscription does not name it, or this API has no such event".into()));
    };
    // A device that is gone has only the core's id left; a test may be about no device.
    let number = event.device_number.map(|number| number.to_string());
    let body =
        json!({ "event": name, "deviceId": number.or(event.device.clone()), "timestamp": iso(event.at), "data": data });
    let (header, prefix) = SIGNATURE_HEADER;
    let parts = Parts::json(&body)?.signed_inside(Scheme::HmacSha256Hex, "", SIGNATURE_MEMBER);
    Ok(Outcome::Send(parts.signed(Scheme::HmacSha256Hex, prefix, header)))
}

/// What an event is called here and what it says; `None`: the subscriber is not told of it.
fn told(subscribed: &Value, link: Option<&str>, event: &Event) -> Result<Option<(&'static str, Value)>, HookError> {
    let wants = |name: &str| match subscribed[WANTED].as_array() {
        Some(wanted) => wanted.iter().any(|known| known == name),
        // The subscription was made by the core's own API.
        None => true,
    };
    let at = iso(event.at);
    let step = |status: &str, wanted: bool| -> Result<Option<(&'static str, Value)>, HookError> {
        if !wanted {
            return Ok(None);
        }
        Ok(Some(("message_sent", shape::message_sent(&read(event)?, status, &at))))
    };
    match event.name.as_str() {
        "device.state" if wants("connection") => {
            Ok(Some(("connection_update", shape::connection_update(&read::<Device>(event)?))))
        }
        "message.received" => {
            let message: Message = read(event)?;
            Ok(match shape::file_of(&message.content) {
                Some(file) if wants("media") => Some(("media_received", shape::media_received(&message, file, link))),
                _ if wants("message") => Some(("message_received", shape::message_received(&message))),
                _ => None,
            })
        }
        "message.sent" => step("sent", wants("message") || wants("status")),
        "message.delivered" => step("delivered", wants("status")),
        "message.read" => step("read", wants("status")),
        "message.failed" => step("failed", wants("status")),
        "webhook.test" => Ok(Some(("test", tested(subscribed, event)?))),
        _ => Ok(None),
    }
}

/// The payload that the test was asked for with; of one that was started elsewhere, the core's own words.
fn tested(subscribed: &Value, event: &Event) -> Result<Value, HookError> {
    match subscribed.get(TEST_PAYLOAD) {
        Some(payload) if !payload.is_null() => Ok(payload.clone()),
        _ => Ok(json!({ "type": "test", "message": event.data()?["text"] })),
    }
}

fn read<T: serde::de::DeserializeOwned>(event: &Event) -> Result<T, HookError> {
    serde_json::from_value(event.data()?)
        .map_err(|e| HookError::InvalidInput(format!("the payload of {} is of another shape: {e}", event.name)))
}

#[cfg(test)]
pub(crate) mod tests {
    use portico_sdk::format::{Key, Placement};

    use super::*;

    const AT: &str = "2026-01-01T00:00:00.000Z";
    const DEVICE: &str = "dev_00000000000000000000000011";

    /// A device as the core shows it.
    pub(crate) fn device(state: &str) -> Value {
        json!({ "id": DEVICE, "number": 7, "name": "Front", "state": state, "state_since": AT, "wanted": "running",
            "jid": "15550100001:7@s.whatsapp.net", "created_at": AT })
    }

    /// A message that came in, as the core shows it.
    pub(crate) fn received(content: &Value) -> Value {
        json!({ "id": "msg_1", "device": DEVICE, "direction": "in", "chat": { "id": "15550100002@s.whatsapp.net" },
            "sender": { "id": "99@lid", "pn": "15550100002@s.whatsapp.net" }, "whatsapp_id": "3EB0", "content": content,
            "status": "received", "created_at": AT, "timestamp": AT, "times": {} })
    }

    fn body(subscribed: &Value, name: &str, payload: &Value) -> Value {
        let event = Event {
            id: "evt_1".into(),
            seq: 1,
            name: name.into(),
            at: 1_767_225_600_000,
            device: Some(DEVICE.into()),
            device_number: Some(7),
            refs: Vec::new(),
            payload: payload.to_string(),
            file_link: None,
        };
        match outcome(subscribed, Some("http://localhost:3000/v1/links/t"), &event).expect("an outcome") {
            Outcome::Send(parts) => {
                let placed: Vec<_> = parts.signing.iter().map(|s| (&s.placement, s.prefix.as_str(), s.key)).collect();
                let inside = Placement::BodyField("signature".into());
                let header = Placement::Header("x-signature".into());
                assert_eq!(placed, [(&inside, "", Key::Text), (&header, "sha256=", Key::Text)]);
                serde_json::from_slice(&parts.body).expect("JSON")
            }
            Outcome::Skip(_) => Value::Null,
        }
    }

    #[test]
    fn a_received_text_has_the_documented_members() {
        let expected = json!({ "event": "message_received", "deviceId": "7", "timestamp": AT, "data": {
            "from": "+15550100002", "message": "Hello!", "timestamp": AT, "messageId": "msg_1",
            "chat": "15550100002@s.whatsapp.net" } });
        assert_eq!(
            body(&json!({}), "message.received", &received(&json!({ "type": "text", "text": "Hello!" }))),
            expected
        );
    }

    #[test]
    fn a_file_is_media_for_those_who_asked_for_it() {
        let image = received(&json!({ "type": "image", "media": { "url": "/v1/x", "bytes": 5 }, "caption": "Look" }));
        let shown = body(&json!({ "events": ["media"] }), "message.received", &image);
        assert_eq!((&shown["event"], &shown["data"]["mediaType"]), (&json!("media_received"), &json!("image")));
        assert_eq!(shown["data"]["mediaUrl"], "http://localhost:3000/v1/links/t");
        let shown = body(&json!({ "events": ["message"] }), "message.received", &image);
        assert_eq!((&shown["event"], &shown["data"]["message"]), (&json!("message_received"), &json!("Look")));
        assert_eq!(body(&json!({ "events": ["status"] }), "message.received", &image), Value::Null);
    }

    #[test]
    fn a_connection_tells_the_number() {
        let shown = body(&json!({ "events": ["connection"] }), "device.state", &device("connected"));
        assert_eq!(shown["event"], "connection_update");
        assert_eq!(shown["data"], json!({ "status": "connected", "phoneNumber": "+15550100001" }));
        assert_eq!(body(&json!({ "events": ["qr"] }), "device.state", &device("pairing")), Value::Null);
    }

    #[test]
    fn each_step_of_a_message_is_told_to_those_who_follow_it() {
        let mut sent = received(&json!({ "type": "text", "text": "Hello!" }));
        sent["direction"] = json!("out");
        let shown = body(&json!({ "events": ["message"] }), "message.sent", &sent);
        assert_eq!(shown["event"], "message_sent");
        let expected = json!({ "to": "+15550100002", "status": "sent", "timestamp": AT, "messageId": "msg_1" });
        assert_eq!(shown["data"], expected);
        assert_eq!(body(&json!({ "events": ["message"] }), "message.read", &sent), Value::Null);
        assert_eq!(body(&json!({ "events": ["status"] }), "message.read", &sent)["data"]["status"], "read");
        sent["error"] = json!({ "code": "denied_by_pacing", "text": "too fast" });
        assert_eq!(body(&json!({}), "message.failed", &sent)["data"]["error"], "too fast");
    }

    #[test]
    fn a_test_carries_the_payload_it_was_asked_for_with() {
        let payload = json!({ "type": "test", "message": "A test" });
        let test = json!({ "webhook": "wh_1", "text": "It works." });
        assert_eq!(body(&json!({ "testPayload": payload, "events": [] }), "webhook.test", &test)["data"], payload);
        assert_eq!(body(&json!({}), "webhook.test", &test)["data"]["message"], "It works.");
        assert_eq!(body(&json!({}), "message.played", &json!({})), Value::Null);
    }
}
