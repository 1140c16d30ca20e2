//! Webhooks: events of the gateway in the shape this API documents, with the signature inside the body.

use portico_sdk::HookError;
use portico_sdk::format::{Event, Outcome, Parts, Scheme};
use portico_sdk::time::iso;
use serde_json::{Map, Value, json};

use crate::phone;
use crate::sections::webhooks::CONNECTED;

/// The member of the body that holds the signature, and what stands before it.
const SIGNATURE: (&str, &str) = ("signature", "sha256=");

/// One delivery, or why there is none.
pub(crate) fn outcome(event: &Event) -> Result<Outcome, HookError> {
    let payload = event.data()?;
    let (name, mut data) = match event.name.as_str() {
        "device.state" if payload["state"] == "connected" => (CONNECTED, connected(&payload)),
        "message.received" | "message.sent" | "message.delivered" | "message.read" | "message.failed" => {
            (event.name.as_str(), message(&payload))
        }
        "webhook.test" => (event.name.as_str(), tested(&payload)),
        _ => return Ok(Outcome::Skip("this API has no such event".into())),
    };
    if let Some(client) = &event.device {
        data.insert("clientId".into(), json!(client));
    }
    let time = iso(event.at);
    data.insert("timestamp".into(), json!(time));
    let body = json!({ "event": name, "timestamp": time, "data": data });
    let (member, prefix) = SIGNATURE;
    Ok(Outcome::Send(Parts::json(&body)?.signed_inside(Scheme::HmacSha256Hex, prefix, member)))
}

fn connected(device: &Value) -> Map<String, Value> {
    let mut data = Map::new();
    data.insert("name".into(), device["name"].clone());
    data.insert("phoneNumber".into(), json!(device["jid"].as_str().map(phone::of_jid)));
    data
}

fn message(message: &Value) -> Map<String, Value> {
    let chat = phone::of_party_json(&message["chat"]);
    let account = message["account"].as_str().map(phone::of_jid);
    let mut data = Map::new();
    data.insert("messageId".into(), message["id"].clone());
    if message["direction"] == "in" {
        let sender = phone::of_party_json(&message["sender"]).or_else(|| chat.clone());
        // In a group the message went to the group; else to the account.
        let to = if sender == chat { account } else { chat };
        data.insert("from".into(), json!(sender));
        data.insert("to".into(), json!(to));
    } else {
        data.insert("to".into(), json!(chat));
    }
    let content = &message["content"];
    let text = content["text"].as_str().or_else(|| content["caption"].as_str()).unwrap_or_default();
    data.insert("message".into(), json!(text));
    data.insert("type".into(), content["type"].clone());
    if let Some(error) = message["error"]["text"].as_str() {
        data.insert("error".into(), json!(error));
    }
    data
}

fn tested(test: &Value) -> Map<String, Value> {
    let mut data = Map::new();
    data.insert("webhookId".into(), test["webhook"].clone());
    data.insert("message".into(), test["text"].clone());
    data
}

#[cfg(test)]
mod tests {
    use portico_sdk::format::{Key, Placement};

    use super::*;

    fn body(name: &str, payload: &Value) -> Value {
        let event = Event {
            id: "evt_1".into(),
            seq: 1,
            name: name.into(),
            at: 1_767_225_600_000,
            device: Some("dev_1".into()),
            device_number: None,
            refs: Vec::new(),
            payload: payload.to_string(),
            file_link: None,
        };
        match outcome(&event).expect("an outcome") {
            Outcome::Send(parts) => {
                assert_eq!(parts.signing[0].placement, Placement::BodyField("signature".into()));
                assert_eq!((parts.signing[0].prefix.as_str(), parts.signing[0].key), ("sha256=", Key::Text));
                serde_json::from_slice(&parts.body).expect("JSON")
            }
            Outcome::Skip(_) => Value::Null,
        }
    }

    #[test]
    fn a_sent_message_has_the_documented_members() {
        let payload = json!({ "id": "msg_1", "direction": "out", "chat": { "id": "15550100002@s.whatsapp.net" },
            "account": "15550100001:7@s.whatsapp.net", "content": { "type": "text", "text": "Hello!" }, "status": "sent" });
        let expected = json!({ "event": "message.sent", "timestamp": "2026-01-01T00:00:00.000Z", "data": {
            "messageId": "msg_1", "clientId": "dev_1", "to": "+15550100002", "message": "Hello!", "type": "text",
            "timestamp": "2026-01-01T00:00:00.000Z" } });
        assert_eq!(body("message.sent", &payload), expected);
    }

    #[test]
    fn a_received_message_tells_who_wrote_it_and_where() {
        let mut payload = json!({ "id": "msg_1", "direction": "in", "chat": { "id": "15550100002@s.whatsapp.net" },
            "sender": { "id": "77@lid", "pn": "15550100002@s.whatsapp.net" }, "account": "15550100001:7@s.whatsapp.net",
            "content": { "type": "image", "caption": "Look" } });
        let data = &body("message.received", &payload)["data"];
        assert_eq!((&data["from"], &data["to"]), (&json!("+15550100002"), &json!("+15550100001")));
        assert_eq!(data["message"], "Look");
        payload["chat"] = json!({ "id": "1203630@g.us" });
        assert_eq!(body("message.received", &payload)["data"]["to"], "1203630@g.us");
    }

    #[test]
    fn only_a_connection_becomes_an_event_of_its_client() {
        let device = json!({ "name": "Shop", "state": "connected", "jid": "15550100001:7@s.whatsapp.net" });
        let body_of = body("device.state", &device);
        assert_eq!((&body_of["event"], &body_of["data"]["clientId"]), (&json!("client.connected"), &json!("dev_1")));
        assert_eq!(body_of["data"]["phoneNumber"], "+15550100001");
        assert_eq!(body("device.state", &json!({ "state": "pairing" })), Value::Null);
        assert_eq!(body("message.played", &json!({})), Value::Null);
    }

    #[test]
    fn a_test_is_delivered_too() {
        let sent = body("webhook.test", &json!({ "webhook": "wh_1", "text": "It works." }));
        assert_eq!((&sent["event"], &sent["data"]["message"]), (&json!("webhook.test"), &json!("It works.")));
    }
}
