//! Webhooks and deliveries as the REST core shows them.

use portico_api as api;

use super::{Attempt, Delivery, DeliveryState, Webhook, WebhookState};

same_variants!(WebhookState, api::WebhookState: Enabled, Disabled);
same_variants!(DeliveryState, api::DeliveryState: Pending, Delivered, Dead, Skipped);

impl From<&Webhook> for api::Webhook {
    fn from(webhook: &Webhook) -> Self {
        Self {
            id: webhook.id.to_string(),
            number: webhook.number,
            device: webhook.device.as_ref().map(ToString::to_string),
            url: webhook.url.clone(),
            events: webhook.events.iter().map(|filter| filter.as_str().to_owned()).collect(),
            header_names: webhook.headers.names.clone(),
            format: webhook.format.clone(),
            state: webhook.state.into(),
            reason: webhook.reason.clone(),
            failing_since: webhook.failing_since.map(Into::into),
            created_at: webhook.created_at.into(),
        }
    }
}

impl From<&Delivery> for api::Delivery {
    fn from(delivery: &Delivery) -> Self {
        Self {
            id: delivery.id.to_string(),
            webhook: delivery.webhook.to_string(),
            event: delivery.event.to_string(),
            event_type: delivery.event_type.into(),
            state: delivery.state.into(),
            attempts: delivery.attempts,
            next_attempt_at: delivery.next_attempt_at.map(Into::into),
            created_at: delivery.created_at.into(),
            finished_at: delivery.finished_at.map(Into::into),
        }
    }
}

impl From<&Attempt> for api::Attempt {
    fn from(attempt: &Attempt) -> Self {
        Self {
            number: attempt.number,
            at: attempt.at.into(),
            duration_ms: attempt.duration_ms,
            status: attempt.status,
            error: attempt.error.clone(),
            format: attempt.format.clone(),
        }
    }
}

serialized_as_view!(Webhook, api::Webhook);
