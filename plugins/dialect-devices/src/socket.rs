//! Sockets: a client names sessions and hears of their codes, connections and messages.
//!
//! The document has two vocabularies for one socket and no word that tells which one a client reads, so that both are spoken:
//! `qr` and `qr_code`, `connection` and `device_connected`, `message` and `message_received`. Every frame carries `sessionId`:
//! documented samples read it without looking.

use portico_sdk::api::{Device, DeviceState, Message, QrCode};
use portico_sdk::dialect::socket::{Endpoint, Event, Opening, Reply, Socket};
use portico_sdk::gateway::Gateway;
use portico_sdk::{Context, HookError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::names::{SESSION, device_of_session, phone_of, status_of};
use crate::sections::devices::session_id;
use crate::{Devices, events};

/// Sessions that one client may subscribe to.
const SUBSCRIPTIONS_MAX: usize = 100;
/// Bytes of a session's id at most.
const SESSION_BYTES_MAX: usize = 120;

const EVENTS: &[&str] = &["device.qr", "device.state", "message.received"];

/// What is remembered of a client.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Subscriptions {
    sessions: Vec<String>,
}

/// The only message of clients that the document knows.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Said {
    #[serde(rename_all = "camelCase")]
    Subscribe { session_id: String },
}

impl Socket for Devices {
    const ENDPOINTS: &'static [Endpoint] = &[
        Endpoint { path: "/", credentials: &["token"], events: EVENTS },
        Endpoint { path: "/ws", credentials: &["token"], events: EVENTS },
    ];

    type State = Subscriptions;

    fn opened(_: &Context, _: &Opening, _: &Gateway) -> Result<Option<Reply<Subscriptions>>, HookError> {
        Ok(Some(Reply::new(Subscriptions::default())))
    }

    /// Subscribes. Nothing is said to it, but the code that waits to be scanned: else the client would see the next one only.
    /// Whether there is such a session is not told either.
    fn received(
        _: &Context,
        mut state: Subscriptions,
        message: &str,
        core: &Gateway,
    ) -> Result<Option<Reply<Subscriptions>>, HookError> {
        let Ok(Said::Subscribe { session_id: session }) = serde_json::from_str(message) else { return Ok(None) };
        let known = state.sessions.contains(&session);
        if !known && (state.sessions.len() >= SUBSCRIPTIONS_MAX || session.len() > SESSION_BYTES_MAX) {
            let why = format!("at most {SUBSCRIPTIONS_MAX} sessions, whose ids have at most {SESSION_BYTES_MAX} bytes");
            let refused = json!({ "type": "error", "sessionId": session, "error": why, "code": "INVALID_REQUEST" });
            return Ok(Some(Reply::new(state).frames([refused])));
        }
        let code = waiting_code(core, &session).map(|code| qr(&session, &code.text, &code.png));
        if !known {
            state.sessions.push(session);
        }
        Ok(Some(Reply::new(state).frames(code.into_iter().flatten())))
    }

    fn frames(
        _: &Context,
        state: Subscriptions,
        events: &[Event],
        _: &Gateway,
    ) -> Result<Reply<Subscriptions>, HookError> {
        let mut frames = Vec::new();
        for event in events {
            frames.extend(of_event(&state, event)?);
        }
        Ok(Reply::new(state).frames(frames))
    }
}

/// The code of a session that is waiting to be scanned, where the client may see it.
fn waiting_code(core: &Gateway, session: &str) -> Option<QrCode> {
    core.get(&format!("/v1/devices/{}/qr?format=json", device_of_session(session)?)).ok()?.json().ok()
}

fn of_event(state: &Subscriptions, event: &Event) -> Result<Vec<Value>, HookError> {
    if event.name == "device.state" {
        // The device as it was then: it may have another session id by now.
        let device: Device = event.read()?;
        let session = session_id(&device).filter(|session| state.wants(session));
        return Ok(session.map(|session| connection(session, &device)).unwrap_or_default());
    }
    let Some(session) = event.device_ref(SESSION).filter(|session| state.wants(session)) else {
        return Ok(Vec::new());
    };
    Ok(match event.name.as_str() {
        "device.qr" => {
            let code: QrCode = event.read()?;
            qr(session, &code.text, &code.png).to_vec()
        }
        "message.received" => message(session, event.at, &event.read()?).to_vec(),
        _ => Vec::new(),
    })
}

impl Subscriptions {
    fn wants(&self, session: &str) -> bool {
        self.sessions.iter().any(|known| known == session)
    }
}

fn qr(session: &str, text: &str, png: &str) -> [Value; 2] {
    [
        json!({ "type": "qr", "sessionId": session, "qr": text }),
        json!({ "type": "qr_code", "sessionId": session, "data": { "qr": text, "qrCode": png } }),
    ]
}

/// One frame of each name that the document has for it. A number stands in them once the device is linked.
fn connection(session: &str, device: &Device) -> Vec<Value> {
    let status = status_of(device);
    let mut frame = json!({ "type": "connection", "sessionId": session, "status": status });
    if let Some(number) = device.jid.as_deref().and_then(phone_of) {
        frame["phoneNumber"] = json!(number);
    }
    let named = |name: &str| {
        let mut frame = frame.clone();
        frame["type"] = json!(name);
        frame
    };
    let mut frames = vec![named("connection"), named("session_update")];
    if device.state == DeviceState::Connected {
        let mut connected = named("device_connected");
        connected["data"] = json!({ "status": status, "phoneNumber": frame["phoneNumber"] });
        frames.push(connected);
    }
    frames
}

fn message(session: &str, at: u64, message: &Message) -> [Value; 2] {
    let shown = events::message(at, message);
    let short = json!({
        "id": shown["messageId"],
        "from": shown["from"],
        "body": shown["message"],
        "timestamp": at / 1_000,
    });
    [
        json!({ "type": "message", "sessionId": session, "message": short }),
        json!({ "type": "message_received", "sessionId": session, "data": shown }),
    ]
}
