//! The hook `webhook-format`: shaping webhook deliveries.

use serde::Serialize;

use crate::bindings::portico::plugin::types::{Context, HookError};

pub use crate::bindings::exports::portico::plugin::webhook_format::{
    Event, Key, Outcome, Parts, Placement, Scheme, Signing,
};

/// Shapes webhook deliveries. Pure: the same events always give the same bodies.
pub trait WebhookFormat {
    /// One outcome per event, in order.
    fn format(ctx: &Context, events: Vec<Event>) -> Result<Vec<Outcome>, HookError>;
}

impl Event {
    /// What the event is about, as a JSON value.
    pub fn data(&self) -> Result<serde_json::Value, HookError> {
        serde_json::from_str(&self.payload)
            .map_err(|e| HookError::InvalidInput(format!("the payload of an event is not JSON: {e}")))
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
