//! Makes one attempt: builds and signs the request, sends it, and asks the rules of `core` what its answer means.

use std::sync::Arc;
use std::time::Duration;

use portico_core::ports::outbound::{OutboundError, OutboundResponse};
use portico_core::ports::store::AttemptResult;
use portico_core::time::UtcMs;
use portico_core::webhook::delivery::{AttemptEnd, Next};
use portico_core::webhook::signature::Secret;
use portico_core::webhook::{Attempt, Claimed, DeliveryState, Webhook};
use portico_core::{Result, Services};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::format::Shaped;
use super::lane::PartResult;
use super::record::Outcome;
use super::request::{self, DEFAULT_BODY, Opened, Shape};
use super::slots::Slots;
use crate::config::DeliverConfig;
use crate::tasks::Tasks;

/// What all lanes need to deliver.
pub(super) struct Poster {
    pub(super) services: Arc<Services>,
    pub(super) tasks: Tasks,
    pub(super) outcomes: mpsc::Sender<Outcome>,
    pub(super) slots: Slots,
    pub(super) config: DeliverConfig,
}

/// A request that was made.
struct Request {
    at: UtcMs,
    duration: Duration,
    shape: Shape,
    shaped_by: Option<String>,
    answer: Result<OutboundResponse, OutboundError>,
}

impl Poster {
    /// Makes one attempt.
    pub(super) async fn attempt(
        &self,
        webhook: &Webhook,
        opened: &Opened,
        claimed: &Claimed,
        Shaped { parts, shape, by }: Shaped,
    ) -> PartResult {
        let (at, began) = (self.now(), Instant::now());
        let request = request::build(webhook, opened, &claimed.event, (parts, shape), (at, self.config.timeout));
        let answer = self.services.outbound.send(request).await;
        let shaped_by = by.map(|digest| digest.to_string());
        self.outcome(webhook, claimed, &Request { at, duration: began.elapsed(), shape, shaped_by, answer })
    }

    /// The failed attempt of a webhook whose sealed values can't be opened.
    pub(super) fn unopened(&self, webhook: &Webhook, claimed: &Claimed) -> PartResult {
        let why = "the signing key, the headers or the format data can't be opened; make the webhook anew".to_owned();
        let answer = Err(OutboundError::Other(why));
        let shape = Shape::Wanted;
        let request = Request { at: self.now(), duration: Duration::ZERO, shape, shaped_by: None, answer };
        self.outcome(webhook, claimed, &request)
    }

    /// The failed attempt at an event that the webhook's format fails on. The receiver is not to blame for it.
    pub(super) fn unformatted(&self, webhook: &Webhook, claimed: &Claimed, why: String) -> PartResult {
        let answer = Err(OutboundError::Other(why));
        let shape = Shape::Wanted;
        let request = Request { at: self.now(), duration: Duration::ZERO, shape, shaped_by: None, answer };
        (self.outcome(webhook, claimed, &request).0, None)
    }

    /// Opens what the webhook keeps sealed.
    pub(super) fn open(&self, webhook: &Webhook) -> Result<Opened> {
        let sealer = &self.services.ports.sealer;
        let key = sealer.open(&Webhook::seal_place(&webhook.id), &webhook.sealed_secret)?;
        let secret = Secret::unsealed(key, webhook.secret_form);
        let headers = webhook.headers.open(sealer, &webhook.id)?;
        Ok(Opened { secret, headers, format_data: webhook.format_data.open(sealer, &webhook.id)? })
    }

    pub(super) fn now(&self) -> UtcMs {
        self.services.ports.now()
    }

    fn outcome(&self, webhook: &Webhook, claimed: &Claimed, request: &Request) -> PartResult {
        let ports = &self.services.ports;
        let number = claimed.attempts.saturating_add(1);
        let (end, status, error) = read_answer(&request.answer);
        let now = ports.now();
        let (state, due) = match end.next(number, ports.rng.unit(), &ports.limits) {
            Next::Done => (DeliveryState::Delivered, None),
            Next::Dead => (DeliveryState::Dead, None),
            Next::Retry(wait) => (DeliveryState::Pending, Some(now + wait)),
        };
        tracing::debug!(
            delivery.id = %claimed.id,
            attempt = number,
            status,
            state = state.as_str(),
            duration_ms = request.duration.as_millis(),
            "an attempt was made"
        );
        let attempt = Attempt {
            number,
            at: request.at,
            duration_ms: u32::try_from(request.duration.as_millis()).unwrap_or(u32::MAX),
            status,
            error,
            format: match request.shape {
                Shape::Wanted => webhook.format.clone(),
                Shape::Default => DEFAULT_BODY.to_owned(),
            },
        };
        let shaped_by = request.shaped_by.clone();
        let delivery = claimed.id.clone();
        (AttemptResult { delivery, attempt: Some(attempt), state, due, at: now, shaped_by }, Some(end))
    }
}

/// How a request ended, with the status and the error for the log of attempts.
fn read_answer(answer: &Result<OutboundResponse, OutboundError>) -> (AttemptEnd, Option<u16>, Option<String>) {
    match answer {
        Err(error) => (AttemptEnd::Failed { retry_after: None }, None, Some(error.to_string())),
        Ok(answer) => {
            let end = AttemptEnd::of_status(answer.status, answer.retry_after);
            let error = match (&end, answer.status) {
                (AttemptEnd::Accepted, _) => None,
                (AttemptEnd::Gone, _) => Some("the receiver says it is gone for good (410)".to_owned()),
                (_, 300..=399) => {
                    Some("the receiver redirects, which is not followed; give the webhook the final URL".to_owned())
                }
                (_, status) => Some(format!("the receiver answered {status}; only 2xx counts as taken")),
            };
            (end, Some(answer.status), error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16) -> (AttemptEnd, Option<u16>, Option<String>) {
        read_answer(&Ok(OutboundResponse { status, retry_after: None, body: Vec::new() }))
    }

    #[test]
    fn the_log_says_what_the_receiver_did() {
        assert_eq!(answered(204), (AttemptEnd::Accepted, Some(204), None));
        assert_eq!(answered(410).0, AttemptEnd::Gone);
        assert!(answered(302).2.is_some_and(|text| text.contains("final URL")));
        let (end, status, error) = read_answer(&Err(OutboundError::Dns));
        assert_eq!((end, status), (AttemptEnd::Failed { retry_after: None }, None));
        assert_eq!(error.as_deref(), Some("the host name can't be resolved"));
    }
}
