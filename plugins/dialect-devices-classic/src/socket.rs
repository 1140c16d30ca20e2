//! The WebSocket of this API: frames in the shape it documents. A client subscribes to nothing and sends nothing; it gets what
//! its token may see. Pure: the host decides who gets which event.

use portico_sdk::api::{Device, Message, QrCode};
use serde_json::{Value, json};

use crate::shape;

/// The event of the core that becomes `qr_code`; it is told to sockets only and never stored.
const QR: &str = "device.qr";

/// The frame of an event of the core; `None`: clients of this API are told nothing of it. `device` is the device's number,
/// as this API's clients know it.
pub(crate) fn frame(event: &str, device: u32, payload: &Value) -> Result<Option<Value>, serde_json::Error> {
    let (kind, data) = match event {
        QR => ("qr_code", shape::qr_code(&serde_json::from_value::<QrCode>(payload.clone())?)),
        "device.state" => {
            ("connection_update", shape::connection_update(&serde_json::from_value::<Device>(payload.clone())?))
        }
        "message.received" => {
            ("message_received", shape::message_received(&serde_json::from_value::<Message>(payload.clone())?))
        }
        _ => return Ok(None),
    };
    Ok(Some(json!({ "type": kind, "deviceId": device.to_string(), "data": data })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::tests::{device, received};

    fn framed(event: &str, payload: &Value) -> Value {
        frame(event, 7, payload).expect("a payload that can be read").unwrap_or_default()
    }

    #[test]
    fn a_code_is_shown_as_text_and_as_a_picture() {
        let code =
            json!({ "text": "2@abc", "png": "data:image/png;base64,AA==", "expires_at": "2026-01-01T00:00:00.000Z" });
        let expected = json!({ "type": "qr_code", "deviceId": "7",
            "data": { "qr": "2@abc", "qrImage": "data:image/png;base64,AA==" } });
        assert_eq!(framed("device.qr", &code), expected);
    }

    #[test]
    fn a_connection_tells_the_number() {
        let expected = json!({ "type": "connection_update", "deviceId": "7",
            "data": { "status": "connected", "phoneNumber": "+15550100001" } });
        assert_eq!(framed("device.state", &device("connected")), expected);
        assert_eq!(framed("device.state", &device("pairing"))["data"]["status"], "connecting");
    }

    #[test]
    fn a_message_tells_its_text_or_caption() {
        let shown = framed("message.received", &received(&json!({ "type": "text", "text": "Hello!" })));
        assert_eq!((&shown["type"], &shown["deviceId"]), (&json!("message_received"), &json!("7")));
        assert_eq!((&shown["data"]["from"], &shown["data"]["message"]), (&json!("+15550100002"), &json!("Hello!")));
        assert_eq!(shown["data"]["timestamp"], "2026-01-01T00:00:00.000Z");
        let image = json!({ "type": "image", "media": { "url": "/v1/x" }, "caption": "Look" });
        assert_eq!(framed("message.received", &received(&image))["data"]["message"], "Look");
    }

    #[test]
    fn other_events_and_broken_payloads_make_no_frame() {
        assert!(matches!(frame("message.sent", 7, &json!({})), Ok(None)));
        assert!(frame("device.state", 7, &json!({ "id": 1 })).is_err());
    }
}
