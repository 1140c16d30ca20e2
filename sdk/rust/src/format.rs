//! The hook `webhook-format`: shaping webhook deliveries.

use serde::Serialize;

use crate::bindings::portico::plugin::types::{Context, HookError};

pub use crate::bindings::exports::portico::plugin::webhook_format::{
    Event, Key, Outcome, Parts, Placement, Scheme, Signing, Subscription,
};

/// Shapes webhook deliveries. Pure: the same events always give the same bodies.
pub trait WebhookFormat {
    /// One outcome per event, in order.
    fn format(ctx: &Context, to: &Subscription, events: Vec<Event>) -> Result<Vec<Outcome>, HookError>;
}

impl Event {
    /// What the event is about, as a JSON value.
    pub fn data(&self) -> Result<serde_json::Value, HookError> {
        serde_json::from_str(&self.payload)
            .map_err(|e| HookError::InvalidInput(format!("the payload of an event is not JSON: {e}")))
    }
}

impl Event {
    /// What another system calls the device, in a namespace of its own.
    pub fn device_ref(&self, namespace: &str) -> Option<&str> {
        self.refs.iter().find(|(known, _)| known == namespace).map(|(_, value)| value.as_str())
    }
}

impl Subscription {
    /// Where the file of the message that an event is about can be had without a key.
    pub fn link_of(&self, event: &Event) -> Option<String> {
        Some(format!("{}{}", self.base_url, portico_api::media_link_path(event.file_link.as_deref()?)))
    }

    /// What its owner gave along.
    pub fn data(&self) -> serde_json::Value {
        serde_json::from_str(&self.data).unwrap_or_default()
    }

    /// A subscription for unit tests, with what its owner gave along.
    pub fn for_tests(data: &serde_json::Value) -> Self {
        Self { id: "wh_1".into(), data: data.to_string(), base_url: "http://localhost:3000".into() }
    }
}

impl Parts {
    /// A `POST` of a JSON body, unsigned beside Standard Webhooks.
    pub fn json(body: &impl Serialize) -> Result<Self, HookError> {
        let body = serde_json::to_vec(body).map_err(|e| HookError::Internal(format!("writing a body: {e}")))?;
        Ok(Self {
            method: "POST".into(),
            headers: Vec::new(),
            content_type: "application/json".into(),
            body,
            signing: Vec::new(),
        })
    }

    /// The same with one more signature over the body, in a header, with the secret's text as the key.
    #[must_use]
    pub fn signed(self, scheme: Scheme, prefix: &str, header: &str) -> Self {
        self.with_signature(scheme, prefix, Placement::Header(header.into()))
    }

    /// The same with one more signature over the body, in a member of the body, with the secret's text as the key.
    #[must_use]
    pub fn signed_inside(self, scheme: Scheme, prefix: &str, member: &str) -> Self {
        self.with_signature(scheme, prefix, Placement::BodyField(member.into()))
    }

    fn with_signature(mut self, scheme: Scheme, prefix: &str, placement: Placement) -> Self {
        self.signing.push(Signing { scheme, placement, prefix: prefix.into(), key: Key::Text });
        self
    }
}
