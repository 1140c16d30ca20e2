//! Webhooks: events of the gateway in the shape this API documents.

use portico_sdk::HookError;
use portico_sdk::format::{Event, Outcome, Parts, Scheme, Subscription};
use portico_sdk::time::iso;
use serde_json::{Value, json};

use crate::account::number_of;
use crate::sections::media;

/// The one event that the document names.
pub(crate) const RECEIVED: &str = "message.received";

/// What a test of a webhook sends; the document does not name it.
const TEST: &str = "webhook.test";

/// Where the signature goes; the document names no header.
const SIGNATURE_HEADER: &str = "x-webhook-signature";

/// The text of a file without a caption.
const NO_CAPTION: &str = "[Media message]";

/// The member of the format data that holds the token of the account.
const TOKEN: &str = "accountToken";

/// What a subscription tells the format with each event: the core keeps it sealed and shows it to nobody else.
pub(crate) fn told(account_token: &str) -> Value {
    json!({ TOKEN: account_token })
}

/// One delivery, or why there is none.
pub(crate) fn outcome(to: &Subscription, event: &Event) -> Result<Outcome, HookError> {
    let payload = event.data()?;
    let message = match event.name.as_str() {
        RECEIVED => match message(&payload, to, event.file_link.as_deref()) {
            Some(message) => message,
            None => return Ok(Outcome::Skip("this API has no such message".into())),
        },
        TEST => json!({ "id": event.id, "body": payload["text"], "timestamp": iso(event.at), "type": "text" }),
        _ => return Ok(Outcome::Skip("this API has no such event".into())),
    };
    // Null for a subscription that was made elsewhere: receivers find the shape they know.
    let token = to.data()[TOKEN].clone();
    let body = json!({ "event": event.name, "timestamp": iso(event.at), "accountToken": token, "message": message });
    Ok(Outcome::Send(Parts::json(&body)?.signed(Scheme::HmacSha256Hex, "", SIGNATURE_HEADER)))
}

/// A message; `None` for those that are neither text nor a file.
fn message(message: &Value, to: &Subscription, file_link: Option<&str>) -> Option<Value> {
    let content = &message["content"];
    let party = if message["sender"].is_object() { &message["sender"] } else { &message["chat"] };
    let jid = party["pn"].as_str().or(party["id"].as_str()).unwrap_or_default();
    let mut shown = json!({ "id": message["whatsapp_id"], "from": number_of(jid), "fromName": message["sender_name"],
        "timestamp": message["timestamp"] });
    let kind = match content["type"].as_str()? {
        "text" => "text",
        "image" | "sticker" => "image",
        "video" | "video_note" => "video",
        "audio" | "voice" => "audio",
        "document" => "document",
        _ => return None,
    };
    shown["type"] = json!(kind);
    if kind == "text" {
        shown["body"] = content["text"].clone();
        return Some(shown);
    }
    let file = &content["media"];
    shown["body"] = content.get("caption").filter(|caption| caption.is_string()).cloned().unwrap_or(json!(NO_CAPTION));
    // The message's id is what opens its file in this API, so it carries the link.
    let linked = file_link.map(|token| media::linked_id(message["whatsapp_id"].as_str().unwrap_or_default(), token));
    if let Some(id) = &linked {
        shown["id"] = json!(id);
    }
    let url = linked.map(|id| format!("{}{}", to.base_url, media::path(&id)));
    shown["media"] = json!({ "mimetype": file["media_type"], "filename": file["file_name"], "fileSize": file["bytes"],
        "caption": content["caption"], "url": url });
    Some(shown)
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
            file_link: Some("msg_01.ten.c2Vhb".into()),
        };
        let to = Subscription::for_tests(&told("acc_7_abc"));
        match outcome(&to, &event).expect("an outcome") {
            Outcome::Send(parts) => {
                assert_eq!(parts.signing[0].placement, Placement::Header(SIGNATURE_HEADER.into()));
                serde_json::from_slice(&parts.body).expect("JSON")
            }
            Outcome::Skip(_) => Value::Null,
        }
    }

    fn received(content: Value) -> Value {
        json!({ "direction": "in", "chat": { "id": "1@lid" }, "sender": { "id": "1@lid", "pn": "15550100002@s.whatsapp.net" },
            "sender_name": "Ada", "whatsapp_id": "3EB0", "content": content, "status": "received",
            "timestamp": "2026-01-01T00:00:00.000Z" })
    }

    #[test]
    fn a_received_text_has_the_documented_shape() {
        let expected = json!({ "event": "message.received", "timestamp": "2026-01-01T00:00:00.000Z", "accountToken": "acc_7_abc",
            "message": { "id": "3EB0", "from": "+15550100002", "fromName": "Ada", "body": "Hello!",
                "timestamp": "2026-01-01T00:00:00.000Z", "type": "text" } });
        assert_eq!(body("message.received", &received(json!({ "type": "text", "text": "Hello!" }))), expected);
    }

    #[test]
    fn a_file_has_its_caption_or_a_fixed_text() {
        let media = json!({ "url": "/v1/x", "media_type": "image/jpeg", "bytes": 5, "file_name": null });
        let message = &body(
            "message.received",
            &received(json!({ "type": "image", "media": media, "caption": "Look" })),
        )["message"];
        assert_eq!((&message["body"], &message["media"]["caption"]), (&json!("Look"), &json!("Look")));
        let message = &body("message.received", &received(json!({ "type": "voice", "media": media })))["message"];
        assert_eq!((&message["body"], &message["type"]), (&json!("[Media message]"), &json!("audio")));
        assert_eq!(message["media"]["fileSize"], 5);
        assert_eq!(message["id"], "3EB0.msg_01.ten.c2Vhb");
        assert_eq!(message["media"]["url"], "http://localhost:3000/api/media/3EB0%2Emsg_01%2Eten%2Ec2Vhb");
    }

    #[test]
    fn what_this_api_does_not_know_is_skipped() {
        assert_eq!(body("message.sent", &json!({})), Value::Null);
        assert_eq!(
            body("message.received", &received(json!({ "type": "other", "kind": "poll_creation" }))),
            Value::Null
        );
        assert_eq!(body("webhook.test", &json!({ "text": "a test" }))["message"]["body"], "a test");
    }
}
