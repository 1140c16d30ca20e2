//! Sockets: a client subscribes to nothing and says nothing; it gets what its token may see, in the frames that the document
//! shows.

use portico_sdk::api::{Device, DeviceState, QrCode};
use portico_sdk::dialect::socket::{Endpoint, Event, Opening, Reply, Socket};
use portico_sdk::gateway::Gateway;
use portico_sdk::{Context, HookError};
use serde_json::{Value, json};

use crate::{Classic, shape};

/// The event of the core that becomes `qr_code`; it is told to sockets only and never stored.
const QR: &str = "device.qr";
const STATE: &str = "device.state";
const RECEIVED: &str = "message.received";

const EVENTS: &[&str] = &[QR, STATE, RECEIVED];

impl Socket for Classic {
    const ENDPOINTS: &'static [Endpoint] = &[
        Endpoint { path: "/", credentials: &["token"], events: EVENTS },
        Endpoint { path: "/ws", credentials: &["token"], events: EVENTS },
    ];

    /// There is nothing to remember.
    type State = ();

    /// A client with a device's own key gets the code that waits to be scanned: else it would see the next one only.
    fn opened(_: &Context, opening: &Opening, core: &Gateway) -> Result<Option<Reply<()>>, HookError> {
        let code = opening.device.as_deref().and_then(|device| waiting_code(core, device));
        Ok(Some(Reply::new(()).frames(code)))
    }

    /// The document has no words for clients. What one says may be a word of another API behind the same path.
    fn received(_: &Context, (): (), _: &str, _: &Gateway) -> Result<Option<Reply<()>>, HookError> {
        Ok(None)
    }

    fn frames(_: &Context, (): (), events: &[Event], _: &Gateway) -> Result<Reply<()>, HookError> {
        let mut frames = Vec::new();
        for event in events {
            frames.extend(frame(event)?);
        }
        Ok(Reply::new(()).frames(frames))
    }
}

/// The frame of a device's code, where there is one and the client may see it.
fn waiting_code(core: &Gateway, device: &str) -> Option<Value> {
    let path = format!("/v1/devices/{device}");
    let device: Device = core.get(&path).ok()?.json().ok()?;
    if device.state != DeviceState::Pairing {
        return None;
    }
    let code: QrCode = core.get(&format!("{path}/qr?format=json")).ok()?.json().ok()?;
    Some(framed("qr_code", &device.number.to_string(), &shape::qr_code(&code)))
}

/// The frame of an event of the core; `None`: clients of this API are told nothing of it.
fn frame(event: &Event) -> Result<Option<Value>, HookError> {
    // Numbers are what clients know devices by; a device that is gone has only the core's id left.
    let number = event.device_number.map(|number| number.to_string());
    let Some(device) = number.or_else(|| event.device.clone()) else { return Ok(None) };
    let (kind, data) = match event.name.as_str() {
        QR => ("qr_code", shape::qr_code(&event.read()?)),
        STATE => ("connection_update", shape::connection_update(&event.read()?)),
        RECEIVED => ("message_received", shape::message_received(&event.read()?)),
        _ => return Ok(None),
    };
    Ok(Some(framed(kind, &device, &data)))
}

fn framed(kind: &str, device: &str, data: &Value) -> Value {
    json!({ "type": kind, "deviceId": device, "data": data })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_of_another_shape_is_an_error() {
        let event = Event {
            id: "evt_1".into(),
            seq: 1,
            name: STATE.into(),
            at: 0,
            device: None,
            device_number: Some(7),
            refs: Vec::new(),
            payload: json!({ "id": 1 }).to_string(),
        };
        assert!(frame(&event).is_err());
    }
}
