//! Webhooks: who wants which events (subscriptions), one event on its way to one of them (deliveries), one HTTP try (attempts).

pub mod delivery;
pub mod format_data;
pub mod headers;
pub mod signature;
mod view;

use serde::Serialize;

use crate::id::{DeliveryId, DeviceId, TenantId, WebhookId};
use crate::model::event::{Event, EventKind};
use crate::time::UtcMs;

pub use delivery::{Attempt, Delivery, DeliveryState};
pub use format_data::{FormatData, SealedFormatData};
pub use headers::{Headers, SealedHeaders};
pub use signature::SecretForm;

/// The plugin that shapes bodies when a subscription names none.
pub const DEFAULT_FORMAT: &str = "webhook-format";

/// Whether a subscription gets deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookState {
    /// It does.
    Enabled,
    /// It failed for too long, answered 410, or was switched off.
    Disabled,
}

/// Who wants which events, and where to.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Its number within the tenant.
    pub number: u32,
    /// Who owns it.
    pub tenant: TenantId,
    /// Only events of this device; absent: of all the tenant's.
    pub device: Option<DeviceId>,
    /// Where deliveries go.
    pub url: String,
    /// Names of events, `message.*` or `*`.
    pub events: Vec<EventFilter>,
    /// Names of the headers that are sent along with every delivery. Their values are never shown.
    pub headers: SealedHeaders,
    /// The plugin that shapes the body.
    pub format: String,
    /// What the plugin is told with each event. Never shown.
    pub format_data: SealedFormatData,
    /// Whether it gets deliveries.
    pub state: WebhookState,
    /// Why it is disabled.
    pub reason: Option<String>,
    /// Since when every attempt failed.
    pub failing_since: Option<UtcMs>,
    /// When it was made.
    pub created_at: UtcMs,
    /// The signing key, sealed; opened only to sign.
    pub sealed_secret: Vec<u8>,
    /// How the signing key is written.
    pub secret_form: SecretForm,
}

impl Webhook {
    /// The place its sealed secret is bound to.
    pub fn seal_place(id: &WebhookId) -> String {
        format!("webhook/{id}")
    }

    /// Whether an event of this kind and device is wanted.
    pub fn wants(&self, kind: EventKind, device: Option<&DeviceId>) -> bool {
        self.state == WebhookState::Enabled
            && (self.device.is_none() || self.device.as_ref() == device)
            && self.events.iter().any(|f| f.matches(kind))
    }
}

/// The name of an event, `<noun>.*` or `*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct EventFilter(String);

impl EventFilter {
    /// Reads a filter; `None` when no event can ever match it.
    pub fn parse(text: &str) -> Option<Self> {
        let filter = Self(text.to_owned());
        EventKind::ALL.iter().any(|k| filter.matches(*k)).then_some(filter)
    }

    /// The filter as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether an event of this kind is meant. `*` means all but those about members, which have to be named.
    pub fn matches(&self, kind: EventKind) -> bool {
        match self.0.strip_suffix('*') {
            Some("") => kind != EventKind::MemberChanged,
            Some(prefix) => prefix.ends_with('.') && kind.as_str().starts_with(prefix),
            None => self.0 == kind.as_str(),
        }
    }
}

/// A delivery that a worker has claimed, with all it needs to make the attempt.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The delivery.
    pub id: DeliveryId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The subscription.
    pub webhook: WebhookId,
    /// The event, whole.
    pub event: Event,
    /// Attempts made before this one.
    pub attempts: u32,
    /// The version of the format plugin that shaped it first, by its digest; `default` when it went out in the gateway's own
    /// format because the plugin failed or was off.
    pub shaped_by: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_names_groups_and_everything() {
        let matches = |f: &str, k| EventFilter::parse(f).is_some_and(|f| f.matches(k));
        assert!(matches("message.received", EventKind::MessageReceived));
        assert!(matches("message.*", EventKind::MessageRead));
        assert!(matches("*", EventKind::DeviceState));
        assert!(matches("member.*", EventKind::MemberChanged) && !matches("*", EventKind::MemberChanged));
        assert!(!matches("message.*", EventKind::DeviceState));
    }

    #[test]
    fn a_filter_that_can_never_match_is_refused() {
        for text in ["", "mesage.received", "message", "mess*", "Message.received"] {
            assert!(EventFilter::parse(text).is_none(), "{text}");
        }
    }
}
