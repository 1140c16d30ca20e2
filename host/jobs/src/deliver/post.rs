//! Makes the attempts: shapes a webhook's claimed deliveries, signs, posts, and hands what came of it to the settler.

use std::sync::Arc;
use std::time::Duration;

use portico_core::ports::outbound::{OutboundError, OutboundResponse};
use portico_core::ports::plugins::Parts;
use portico_core::ports::store::AttemptResult;
use portico_core::time::UtcMs;
use portico_core::webhook::delivery::{AttemptEnd, Next};
use portico_core::webhook::signature::Secret;
use portico_core::webhook::{Attempt, Claimed, DeliveryState, Webhook};
use portico_core::{Result, Services};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use super::lane::{self, Run};
use super::parts::{self, Shaped};
use super::places::Place;
use super::request::{self, DEFAULT_BODY, Opened, Shape};
use super::settle::Settled;
use crate::config::DeliverConfig;
use crate::tasks::{Tasks, cause};

/// Everything attempts need. Shared by all of them.
pub(super) struct Poster {
    services: Arc<Services>,
    tasks: Tasks,
    settled: mpsc::Sender<Settled>,
    requests: Semaphore,
    timeout: Duration,
    run_time: Duration,
}

/// What came of one delivery of a run.
struct Made {
    result: AttemptResult,
    end: Option<AttemptEnd>,
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
        services: Arc<Services>,
        tasks: Tasks,
        settled: mpsc::Sender<Settled>,
        config: &DeliverConfig,
    ) -> Self {
        let requests = Semaphore::new(config.requests_max.clamp(1, Semaphore::MAX_PERMITS));
        Self { services, tasks, settled, requests, timeout: config.timeout, run_time: config.lane_run_time }
    }

    /// Makes the attempts of one webhook's deliveries, each run a task of its own.
    pub(super) async fn group(self: Arc<Self>, webhook: Arc<Webhook>, runs: Vec<Run>) {
        let opened = match self.open(&webhook) {
            Ok(opened) => Arc::new(opened),
            Err(error) => {
                tracing::error!(webhook.id = %webhook.id, error = cause(&error), "what a webhook keeps sealed can't be opened; its deliveries fail");
                for (claimed, place) in runs.into_iter().filter_map(|run| run.into_deliveries().next()) {
                    let why = "the signing key or the headers can't be opened; make the webhook anew".to_owned();
                    let tried = self.tried(Shape::Wanted, Err(OutboundError::Other(why)));
                    let made = self.outcome(&webhook, &claimed, tried);
                    self.settle(&webhook, vec![made], vec![place]).await;
                }
                return;
            }
        };
        for batch in lane::format_batches(runs) {
            let events: Vec<_> = batch.iter().flat_map(Run::events).cloned().collect();
            let plugins = &*self.services.plugins;
            let shaped = parts::shape(plugins, &webhook.format, &webhook.tenant, &events).await;
            let mut shaped = shaped.into_iter();
            for run in batch {
                let shaped = shaped.by_ref().take(run.len()).collect();
                self.tasks.spawn(self.clone().run(webhook.clone(), opened.clone(), run, shaped));
            }
        }
    }

    /// Makes a run up to the first delivery that isn't accepted or skipped, and as long as its time lasts.
    async fn run(self: Arc<Self>, webhook: Arc<Webhook>, opened: Arc<Opened>, run: Run, shaped: Vec<Shaped>) {
        let start_by = run.start_by;
        // The head waits for its turn as long as the lease allows; a run's own time begins when it is made.
        let mut until = start_by;
        let (mut all_made, mut places) = (Vec::new(), Vec::new());
        for ((claimed, place), shaped) in run.into_deliveries().zip(shaped) {
            let made = match shaped {
                Shaped::Skip => Some(untried(&claimed, DeliveryState::Skipped, None, self.now())),
                Shaped::AsWanted(parts) => {
                    self.attempt(&webhook, &opened, (&claimed, &place), (parts, Shape::Wanted), until).await
                }
                Shaped::Default(parts) => {
                    self.attempt(&webhook, &opened, (&claimed, &place), (parts, Shape::Default), until).await
                }
            };
            let made = match made {
                Some(made) => made,
                None if all_made.is_empty() => {
                    let now = self.now();
                    untried(&claimed, DeliveryState::Pending, Some(now), now)
                }
                // Those made before give their lane the next head.
                None => break,
            };
            if all_made.is_empty() {
                until = start_by.min(Instant::now() + self.run_time);
            }
            let go_on = goes_on(&made);
            all_made.push(made);
            places.push(place);
            if !go_on {
                break;
            }
        }
        self.settle(&webhook, all_made, places).await;
    }

    /// `None` when it is too late to begin, or the process stops.
    async fn attempt(
        &self,
        webhook: &Webhook,
        opened: &Opened,
        (claimed, place): (&Claimed, &Place),
        (parts, shape): (Parts, Shape),
        until: Instant,
    ) -> Option<Made> {
        // The webhook's gate first: who waits at it must not hold one of the requests of all. And not for long: results of
        // those made before wait too, and have to be recorded while the claim holds.
        let turn = async { Some((place.enter().await?, self.requests.acquire().await.ok()?)) };
        let turn = tokio::time::timeout_at(until, turn).await.ok()??;
        if Instant::now() >= until || self.tasks.stopping().is_cancelled() {
            return None;
        }
        let (at, began) = (self.now(), Instant::now());
        let sent = (at, self.timeout);
        let request_out = request::build(webhook, opened, &claimed.event, (parts, shape), sent);
        let answer = self.services.outbound.send(request_out).await;
        drop(turn);
        let tried = Tried { at, took: began.elapsed(), shape, answer };
        Some(self.outcome(webhook, claimed, tried))
    }

    fn open(&self, webhook: &Webhook) -> Result<Opened> {
        let sealer = &self.services.ports.sealer;
        let secret = sealer.open(&Webhook::seal_place(&webhook.id), &webhook.sealed_secret).map(Secret::from_bytes)?;
        Ok(Opened { secret, headers: webhook.headers.open(sealer, &webhook.id)? })
    }

    fn now(&self) -> UtcMs {
        self.services.ports.now()
    }

    fn tried(&self, shape: Shape, answer: Result<OutboundResponse, OutboundError>) -> Tried {
        Tried { at: self.now(), took: Duration::ZERO, shape, answer }
    }

    fn outcome(&self, webhook: &Webhook, claimed: &Claimed, tried: Tried) -> Made {
        let ports = &self.services.ports;
        let number = claimed.attempts.saturating_add(1);
        let (end, status, error) = read_answer(&tried.answer);
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
        let delivery = claimed.id.clone();
        Made { result: AttemptResult { delivery, attempt: Some(attempt), state, due, at: now }, end: Some(end) }
    }

    async fn settle(&self, webhook: &Arc<Webhook>, made: Vec<Made>, places: Vec<Place>) {
        let results = made.into_iter().map(|m| (m.result, m.end)).collect();
        if self.settled.send(Settled { results, webhook: webhook.clone(), places }).await.is_err() {
            tracing::debug!("nobody records results any more; the deliveries fall due again");
        }
    }
}

/// Whether what comes next in the lane may be made: this one is out of the way.
fn goes_on(made: &Made) -> bool {
    matches!(made.result.state, DeliveryState::Delivered | DeliveryState::Skipped)
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
fn untried(claimed: &Claimed, state: DeliveryState, due: Option<UtcMs>, at: UtcMs) -> Made {
    Made { result: AttemptResult { delivery: claimed.id.clone(), attempt: None, state, due, at }, end: None }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use async_trait::async_trait;
    use portico_core::id::{DeliveryId, WebhookId};
    use portico_core::ports::Outbound;
    use portico_core::ports::outbound::OutboundRequest;
    use portico_core::webhook::Headers;

    use super::super::places::Places;
    use super::*;
    use crate::tasks::lock;
    use crate::testing;

    /// A receiver that answers with these, one after the other, and counts what it gets at the same time.
    struct Receiver(Mutex<VecDeque<u16>>, Semaphore);

    #[async_trait]
    impl Outbound for Receiver {
        fn check_url(&self, _: &str) -> Result<(), OutboundError> {
            Ok(())
        }

        async fn send(&self, _: OutboundRequest) -> Result<OutboundResponse, OutboundError> {
            let _alone = self.1.try_acquire().expect("one request at a time");
            tokio::task::yield_now().await;
            let status = lock(&self.0).pop_front().expect("no more requests than answers");
            Ok(OutboundResponse { status, retry_after: None, body: Vec::new() })
        }
    }

    fn claimed(seq: i64) -> Claimed {
        let id = DeliveryId::new(1, u128::try_from(seq).unwrap_or_default());
        let (tenant, event) = (testing::tenant(), testing::event(seq));
        Claimed { id, tenant, webhook: WebhookId::new(1, 1), event, attempts: 0 }
    }

    /// Makes a run of four whose second is skipped; what came of it, and how many places are taken until that is recorded.
    async fn made(answers: &[u16], config: DeliverConfig, start_by: Instant) -> (Vec<DeliveryState>, usize) {
        let mut services = Arc::into_inner(testing::services()).expect("the only one");
        let answers = answers.iter().copied().collect();
        let receiver = Arc::new(Receiver(Mutex::new(answers), Semaphore::new(1)));
        services.outbound = receiver.clone();
        let (settled, mut results) = mpsc::channel(1);
        let poster = Arc::new(Poster::new(Arc::new(services), Tasks::default(), settled, &config));
        let (places, webhook) = (Places::new(&config), Arc::new(testing::webhook(1)));
        let place = || places.take(&webhook).expect("a place");
        let webhooks = [(webhook.id.clone(), webhook.clone())].into();
        let mut run = [Run::new(claimed(1), place(), start_by)];
        lane::join(&mut run, (2..5).map(claimed).collect(), &webhooks, &places);
        let parts = || super::parts::default_parts(&testing::event(1));
        let shaped = vec![Shaped::AsWanted(parts()), Shaped::Skip, Shaped::Default(parts()), Shaped::AsWanted(parts())];
        let opened = Arc::new(Opened { secret: Secret::from_bytes(vec![7; 32]), headers: Headers::new() });
        let [run] = run;
        poster.run(webhook, opened, run, shaped).await;
        let settled = results.try_recv().expect("one message for the whole run");
        assert!(results.try_recv().is_err());
        assert!(lock(&receiver.0).is_empty(), "every answer was fetched");
        (settled.results.iter().map(|(r, _)| r.state).collect(), config.claimed_max - places.free())
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test]
    async fn a_run_goes_on_while_the_receiver_accepts() {
        use DeliveryState::{Delivered, Pending, Skipped};
        let run = async |answers: &[u16]| made(answers, DeliverConfig::default(), soon()).await;
        assert_eq!(run(&[200, 204, 200]).await, (vec![Delivered, Skipped, Delivered, Delivered], 4));
        assert_eq!(run(&[200, 500]).await, (vec![Delivered, Skipped, Pending], 3), "the rest stays as it is");
        assert_eq!(run(&[503]).await, (vec![Pending], 1));
    }

    #[tokio::test]
    async fn a_run_ends_with_its_time() {
        use DeliveryState::{Delivered, Pending, Skipped};
        let short = DeliverConfig { lane_run_time: Duration::ZERO, ..DeliverConfig::default() };
        assert_eq!(made(&[200], short, soon()).await, (vec![Delivered, Skipped], 2));
        let late = made(&[], DeliverConfig::default(), Instant::now()).await;
        assert_eq!(late, (vec![Pending], 1), "the head is put back");
    }

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
