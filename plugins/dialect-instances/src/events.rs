//! Webhooks: events of the gateway in the shape this API documents.

use portico_sdk::HookError;
use portico_sdk::api::DeviceState;
use portico_sdk::format::{Event, Outcome, Parts, Scheme};
use portico_sdk::time::iso;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::id::instance_of;
use crate::sections::instance::status_name;

/// Where the signature goes; the document names no header.
const SIGNATURE_HEADER: &str = "x-webhook-signature";

/// One delivery, or why there is none.
pub(crate) fn outcome(event: &Event) -> Result<Outcome, HookError> {
    let Some(instance) = event.device.as_deref().and_then(instance_of) else {
        return Ok(Outcome::Skip("it concerns no instance".into()));
    };
    let payload = event.data()?;
    let (name, mut data) = match event.name.as_str() {
        "device.state" => connection(&payload),
        "message.received" | "message.sent" | "message.delivered" | "message.read" | "message.failed" => {
            (event.name.as_str(), message(&payload))
        }
        "group.joined" => ("group.join", group(&payload)),
        "group.left" => ("group.leave", group(&payload)),
        "group.updated" => ("group.update", group(&payload)),
        "group.participants" => ("group.participants.update", group(&payload)),
        _ => return Ok(Outcome::Skip("this API has no such event".into())),
    };
    // Inside as well: a documented sample reads it there.
    data.insert("instanceId".into(), json!(instance));
    let body = json!({ "event": name, "instanceId": instance, "timestamp": iso(event.at), "data": data });
    Ok(Outcome::Send(Parts::json(&body)?.signed(Scheme::HmacSha256Hex, "", SIGNATURE_HEADER)))
}

fn connection(device: &Value) -> (&'static str, Map<String, Value>) {
    let state = DeviceState::deserialize(&device["state"]).unwrap_or(DeviceState::Disconnected);
    let name = match state {
        DeviceState::Connected => "connection.open",
        DeviceState::Disconnected | DeviceState::LoggedOut => "connection.close",
        _ => "connection.update",
    };
    let mut data = Map::new();
    data.insert("status".into(), json!(status_name(state)));
    if let Some(reason) = device["reason"]["text"].as_str() {
        data.insert("reason".into(), json!(reason));
    }
    (name, data)
}

/// What happened to a group, and to whom.
fn group(changed: &Value) -> Map<String, Value> {
    let members = changed["participants"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut data = Map::new();
    data.insert("groupId".into(), changed["group"].clone());
    data.insert("action".into(), changed["action"].clone());
    data.insert("author".into(), changed["actor"]["id"].clone());
    data.insert("participants".into(), members.iter().map(|member| member["id"].clone()).collect());
    if !changed["value"].is_null() {
        data.insert("value".into(), changed["value"].clone());
    }
    data
}

pub(crate) fn message(message: &Value) -> Map<String, Value> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (chat, account) = (text(&message["chat"]["id"]), text(&message["account"]));
    let (from, to) = match (message["direction"].as_str(), message["sender"]["id"].as_str()) {
        // In a group the message went to the group; else to the account, if the event names it.
        (Some("in"), Some(sender)) if sender != chat => (sender.to_owned(), chat),
        (Some("in"), _) => (chat, account),
        _ => (account, chat),
    };
    let mut data = Map::new();
    data.insert("from".into(), json!(from));
    data.insert("to".into(), json!(to));
    data.insert("message".into(), raw(&message["content"]));
    data.insert("messageId".into(), message["whatsapp_id"].clone());
    if let Some(error) = message["error"]["text"].as_str() {
        data.insert("error".into(), json!(error));
    }
    data
}

/// The message as WhatsApp's own format names its parts: `conversation` for text, `imageMessage` and the like for others.
fn raw(content: &Value) -> Value {
    if content["type"] == "text" {
        return json!({ "conversation": content["text"] });
    }
    if let Some(shown) = rich(content) {
        return shown;
    }
    let kind = match content["type"].as_str() {
        Some("voice") => "audio",
        Some("video_note") => "ptv",
        Some("other") | None => content["kind"].as_str().unwrap_or("unknown"),
        Some(kind) => kind,
    };
    let mut name = String::new();
    for (i, part) in kind.split('_').enumerate() {
        match part.chars().next() {
            Some(first) if i > 0 => {
                name.extend(first.to_uppercase());
                name.push_str(&part[first.len_utf8()..]);
            }
            _ => name.push_str(part),
        }
    }
    // A file has a caption; of what is not stored in full, the text is known.
    let caption = if content["caption"].is_null() { &content["text"] } else { &content["caption"] };
    let mut shown = json!({ "caption": caption });
    if content["media"].is_object() {
        shown["mimetype"] = content["media"]["media_type"].clone();
    }
    json!({ format!("{name}Message"): shown })
}

/// A place, cards or a poll by the names of WhatsApp's own format.
fn rich(content: &Value) -> Option<Value> {
    let each =
        |list: &Value, shown: fn(&Value) -> Value| list.as_array().into_iter().flatten().map(shown).collect::<Vec<_>>();
    match content["type"].as_str()? {
        "location" => {
            let place = &content["location"];
            Some(json!({ "locationMessage": {
                "degreesLatitude": place["latitude"], "degreesLongitude": place["longitude"],
                "name": place["name"], "address": place["address"],
            } }))
        }
        "contacts" => {
            let cards =
                each(&content["contacts"], |card| json!({ "displayName": card["name"], "vcard": card["vcard"] }));
            Some(json!({ "contactsArrayMessage": { "contacts": cards } }))
        }
        "poll" => {
            let poll = &content["poll"];
            let options = each(&poll["options"], |option| json!({ "optionName": option }));
            Some(json!({ "pollCreationMessage": {
                "name": poll["question"], "options": options, "selectableOptionsCount": poll["selectable"],
            } }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use portico_sdk::format::Placement;

    use super::*;

    fn body(name: &str, payload: &Value) -> Value {
        let event = Event {
            id: "evt_1".into(),
            seq: 1,
            name: name.into(),
            at: 1_767_225_600_000,
            device: Some("dev_00000000000000000000000011".into()),
            device_number: None,
            refs: Vec::new(),
            payload: payload.to_string(),
            file_link: None,
        };
        match outcome(&event).expect("an outcome") {
            Outcome::Send(parts) => {
                assert_eq!(parts.signing[0].placement, Placement::Header(SIGNATURE_HEADER.into()));
                serde_json::from_slice(&parts.body).expect("JSON")
            }
            Outcome::Skip(_) => Value::Null,
        }
    }

    #[test]
    fn a_received_text_has_the_documented_shape() {
        let payload = json!({ "direction": "in", "chat": { "id": "15550100002@s.whatsapp.net" },
            "sender": { "id": "15550100002@s.whatsapp.net" }, "account": "15550100001@s.whatsapp.net",
            "whatsapp_id": "3EB0", "content": { "type": "text", "text": "Hello!" }, "status": "received" });
        let expected = json!({ "event": "message.received", "instanceId": "00000000-0000-0000-0000-000000000021",
            "timestamp": "2026-01-01T00:00:00.000Z",
            "data": { "from": "15550100002@s.whatsapp.net", "to": "15550100001@s.whatsapp.net",
                "message": { "conversation": "Hello!" }, "messageId": "3EB0",
                "instanceId": "00000000-0000-0000-0000-000000000021" } });
        assert_eq!(body("message.received", &payload), expected);
    }

    #[test]
    fn a_group_message_went_to_the_group() {
        let payload = json!({ "direction": "in", "chat": { "id": "1203630@g.us" }, "sender": { "id": "15550100002@s.whatsapp.net" },
            "whatsapp_id": "3EB0", "content": { "type": "other", "kind": "poll_creation" } });
        let data = &body("message.received", &payload)["data"];
        assert_eq!((&data["from"], &data["to"]), (&json!("15550100002@s.whatsapp.net"), &json!("1203630@g.us")));
        assert!(data["message"]["pollCreationMessage"].is_object());
    }

    #[test]
    fn a_picture_is_named_as_whatsapp_names_it() {
        let content =
            json!({ "type": "image", "media": { "url": "/v1/x", "media_type": "image/jpeg" }, "caption": "Pier" });
        assert_eq!(raw(&content), json!({ "imageMessage": { "caption": "Pier", "mimetype": "image/jpeg" } }));
        assert!(raw(&json!({ "type": "voice", "media": {} }))["audioMessage"].is_object());
    }

    #[test]
    fn a_poll_is_named_as_whatsapp_names_it() {
        let poll = json!({ "type": "poll", "poll": { "question": "When?", "options": ["Today", "Tomorrow"] } });
        let shown = &raw(&poll)["pollCreationMessage"];
        assert_eq!((&shown["name"], &shown["options"][1]["optionName"]), (&json!("When?"), &json!("Tomorrow")));
    }

    #[test]
    fn states_become_connection_events() {
        for (state, event, status) in [
            ("connected", "connection.open", "connected"),
            ("logged_out", "connection.close", "disconnected"),
            ("pairing", "connection.update", "connecting"),
        ] {
            let body = body("device.state", &json!({ "state": state }));
            assert_eq!((&body["event"], &body["data"]["status"]), (&json!(event), &json!(status)));
        }
    }

    #[test]
    fn events_this_api_does_not_know_are_skipped() {
        assert_eq!(body("message.played", &json!({})), Value::Null);
        assert_eq!(body("webhook.test", &json!({})), Value::Null);
    }
}
