//! The shape a webhook body has when a subscription names no other: the event's public JSON.
//!
//! `{"id", "seq", "type", "timestamp", "device", "data"}`, in the manner of Standard Webhooks. Signing is left to the host.
//! Invariant: the body is the same text for every repetition of the same event.

use portico_sdk::format::{Event, Outcome, Parts, Subscription, WebhookFormat};
use portico_sdk::{Context, HookError, time};
use serde::Serialize;
use serde_json::Value;

/// The plugin.
pub struct DefaultFormat;

portico_sdk::register!(DefaultFormat: webhook_format);

#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    seq: u64,
    #[serde(rename = "type")]
    kind: &'a str,
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<&'a str>,
    data: Value,
}

impl WebhookFormat for DefaultFormat {
    fn format(_: &Context, _: &Subscription, events: Vec<Event>) -> Result<Vec<Outcome>, HookError> {
        events.iter().map(|event| Ok(Outcome::Send(Parts::json(&body(event)?)?))).collect()
    }
}

fn body(event: &Event) -> Result<Body<'_>, HookError> {
    Ok(Body {
        id: &event.id,
        seq: event.seq,
        kind: &event.name,
        timestamp: time::iso(event.at),
        device: event.device.as_deref(),
        data: event.data()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to() -> Subscription {
        Subscription::for_tests(&portico_sdk::serde_json::json!({}))
    }

    fn event(payload: &str) -> Event {
        Event {
            id: "evt_1".into(),
            seq: 7,
            name: "message.received".into(),
            at: 1_767_225_600_123,
            device: Some("dev_1".into()),
            device_number: None,
            refs: Vec::new(),
            payload: payload.into(),
            file_link: None,
        }
    }

    #[test]
    fn the_body_is_the_events_public_json() {
        let outcomes =
            DefaultFormat::format(&Context::for_tests(), &to(), vec![event(r#"{"text":"hi"}"#)]).expect("formatted");
        let [Outcome::Send(parts)] = outcomes.as_slice() else { panic!("one body") };
        assert_eq!((parts.method.as_str(), parts.content_type.as_str()), ("POST", "application/json"));
        assert_eq!(
            String::from_utf8_lossy(&parts.body),
            r#"{"id":"evt_1","seq":7,"type":"message.received","timestamp":"2026-01-01T00:00:00.123Z","device":"dev_1","data":{"text":"hi"}}"#
        );
    }

    #[test]
    fn an_empty_batch_gives_an_empty_answer() {
        assert_eq!(DefaultFormat::format(&Context::for_tests(), &to(), Vec::new()), Ok(Vec::new()));
    }

    #[test]
    fn a_payload_that_is_not_json_is_the_callers_fault() {
        let refused = DefaultFormat::format(&Context::for_tests(), &to(), vec![event("{")]);
        assert!(matches!(refused, Err(HookError::InvalidInput(_))));
    }
}
