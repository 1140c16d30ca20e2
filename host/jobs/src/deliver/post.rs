//! Makes the attempts: shapes a webhook's claimed deliveries, signs, posts, and hands what came of it to the settler.

use std::sync::Arc;
use std::time::Duration;

use portico_core::ports::outbound::{OutboundError, OutboundResponse};
use portico_core::ports::plugins::Parts;
use portico_core::ports::store::AttemptResult;
use portico_core::time::UtcMs;
use portico_core::webhook::delivery::{AttemptEnd, Next};
use portico_core::webhook::signature::Secret;
use portico_core::webhook::{Attempt, DeliveryState, Webhook};
use portico_core::{Gateway, Result};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use super::Work;
use super::parts::{self, FORMAT_BATCH, Shaped};
use super::request::{self, DEFAULT_BODY, Shape};
use super::settle::Settled;
use crate::config::DeliverConfig;
use crate::tasks::{Tasks, cause};

/// Everything attempts need. Shared by all of them.
pub(super) struct Poster {
    gateway: Arc<Gateway>,
    tasks: Tasks,
    settled: mpsc::Sender<Settled>,
    requests: Semaphore,
    timeout: Duration,
}

/// A try that was made.
struct Tried {
    at: UtcMs,
    took: Duration,
    shape: Shape,
    answer: Result<OutboundResponse, OutboundError>,
}

impl Poster {
    pub(super) fn new(
        gateway: Arc<Gateway>,
        tasks: Tasks,
        settled: mpsc::Sender<Settled>,
        config: &DeliverConfig,
    ) -> Self {
        let requests = Semaphore::new(config.requests_max.clamp(1, Semaphore::MAX_PERMITS));
        Self { gateway, tasks, settled, requests, timeout: config.timeout }
    }

    /// Makes the attempts of one webhook's deliveries, each a task of its own.
    pub(super) async fn group(self: Arc<Self>, webhook: Arc<Webhook>, work: Vec<Work>) {
        let secret = match self.open_secret(&webhook) {
            Ok(secret) => Arc::new(secret),
            Err(error) => {
                tracing::error!(webhook.id = %webhook.id, error = cause(&error), "a webhook's signing key can't be opened; its deliveries fail");
                for work in work {
                    let why = "the signing key can't be opened; give the webhook a new one".to_owned();
                    let tried = self.tried(Shape::Wanted, Err(OutboundError::Other(why)));
                    self.settle(self.outcome(&webhook, work, tried)).await;
                }
                return;
            }
        };
        let mut rest = work.into_iter().peekable();
        while rest.peek().is_some() {
            let batch: Vec<_> = rest.by_ref().take(FORMAT_BATCH).collect();
            let events: Vec<_> = batch.iter().map(|w| w.claimed.event.clone()).collect();
            let plugins = &*self.gateway.plugins;
            let shaped = parts::shape(plugins, &webhook.format, &webhook.tenant, &events).await;
            for (work, shaped) in batch.into_iter().zip(shaped) {
                let (parts, shape) = match shaped {
                    Shaped::AsWanted(parts) => (parts, Shape::Wanted),
                    Shaped::Default(parts) => (parts, Shape::Default),
                    Shaped::Skip => {
                        self.settle(untried(&webhook, work, DeliveryState::Skipped, None, self.now())).await;
                        continue;
                    }
                };
                let attempt = self.clone().attempt(webhook.clone(), secret.clone(), work, parts, shape);
                self.tasks.spawn(attempt);
            }
        }
    }

    async fn attempt(
        self: Arc<Self>,
        webhook: Arc<Webhook>,
        secret: Arc<Secret>,
        work: Work,
        parts: Parts,
        shape: Shape,
    ) {
        // The webhook's gate first: who waits at it must not hold one of the requests of all.
        let gate = work.place.enter().await;
        let request = self.requests.acquire().await;
        let may_begin = Instant::now() < work.start_by && !self.tasks.stopping().is_cancelled();
        if !may_begin || gate.is_none() || request.is_err() {
            let now = self.now();
            return self.settle(untried(&webhook, work, DeliveryState::Pending, Some(now), now)).await;
        }
        let (at, began) = (self.now(), Instant::now());
        let sent = (at, self.timeout);
        let request_out = request::build(&webhook, &secret, &work.claimed.event, (parts, shape), sent);
        let answer = self.gateway.outbound.send(request_out).await;
        drop((gate, request));
        let tried = Tried { at, took: began.elapsed(), shape, answer };
        self.settle(self.outcome(&webhook, work, tried)).await;
    }

    fn open_secret(&self, webhook: &Webhook) -> Result<Secret> {
        let sealer = &self.gateway.core.sealer;
        sealer.open(&Webhook::seal_place(&webhook.id), &webhook.sealed_secret).map(Secret::from_bytes)
    }

    fn now(&self) -> UtcMs {
        self.gateway.core.now()
    }

    fn tried(&self, shape: Shape, answer: Result<OutboundResponse, OutboundError>) -> Tried {
        Tried { at: self.now(), took: Duration::ZERO, shape, answer }
    }

    fn outcome(&self, webhook: &Arc<Webhook>, work: Work, tried: Tried) -> Settled {
        let core = &self.gateway.core;
        let number = work.claimed.attempts.saturating_add(1);
        let (end, status, error) = read_answer(&tried.answer);
        let now = core.now();
        let (state, due) = match end.next(number, core.rng.unit(), &core.limits) {
            Next::Done => (DeliveryState::Delivered, None),
            Next::Dead => (DeliveryState::Dead, None),
            Next::Retry(wait) => (DeliveryState::Pending, Some(now + wait)),
        };
        tracing::debug!(
            delivery.id = %work.claimed.id,
            attempt = number,
            status,
            state = state.as_str(),
            duration_ms = tried.took.as_millis(),
            "an attempt was made"
        );
        let attempt = Attempt {
            number,
            at: tried.at,
            duration_ms: u32::try_from(tried.took.as_millis()).unwrap_or(u32::MAX),
            status,
            error,
            format: match tried.shape {
                Shape::Wanted => webhook.format.clone(),
                Shape::Default => DEFAULT_BODY.to_owned(),
            },
        };
        let result = AttemptResult { delivery: work.claimed.id, attempt: Some(attempt), state, due, at: now };
        Settled { result, webhook: webhook.clone(), end: Some(end), place: Some(work.place) }
    }

    async fn settle(&self, settled: Settled) {
        if self.settled.send(settled).await.is_err() {
            tracing::debug!("nobody records results any more; the delivery falls due again");
        }
    }
}

/// How a try ended, with the status and the error for its log.
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

/// A result without an attempt.
fn untried(webhook: &Arc<Webhook>, work: Work, state: DeliveryState, due: Option<UtcMs>, at: UtcMs) -> Settled {
    let result = AttemptResult { delivery: work.claimed.id, attempt: None, state, due, at };
    Settled { result, webhook: webhook.clone(), end: None, place: Some(work.place) }
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
