//! Takes events to webhooks: claims what is due, formats it, signs it, posts it, and records what came of it.
//!
//! ```text
//!  events and deliveries                                    (durable: stored with the change they tell of)
//!        |  wake-up, or the next due time
//!        v
//!  claim.rs     one transaction: due deliveries for which slots.rs has a slot,   (durable: the claim, a lease
//!        |      what waits behind each in its lane, their webhooks                of `lease`)
//!        v
//!  format.rs    the format plugin makes the bodies, up to 100 events a call      (in memory from here ...)
//!        v
//!  lane.rs      one task per lane, one request at a time; reads ahead
//!        |
//!        +--->  request.rs + post.rs   sign and post, read the answer
//!        v
//!  record.rs    one transaction for many lanes: results, retries, health of      (... to here; durable: results)
//!               webhooks; what a lane goes on with is claimed here
//! ```
//!
//! A lane is the deliveries of one webhook for one chat. Its oldest pending delivery alone can be claimed, so order within a
//! chat holds whatever requests do. Nothing is lost when the process dies: a claim is a lease, and what was claimed falls due
//! again. A request whose result was not recorded is repeated under the same id (at least once).

mod claim;
mod format;
mod lane;
mod post;
mod record;
mod request;
mod slots;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use portico_core::{Result, Services};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use crate::config::{CLAIM_MARGIN, DeliverConfig};
use crate::runner::{Job, Run};
use crate::tasks::{Tasks, lock};
use crate::waker::LocalWaker;
use claim::{Round, Turns};
use lane::Lane;
use post::Poster;
use record::Recorder;
use slots::Slots;
pub use slots::SlotsStatus;

/// Figure: delivery slots nobody uses.
const SLOTS_FREE: &str = "portico_delivery_slots_free";
/// Figure: webhooks whose due deliveries wait for a slot.
const WEBHOOKS_WAITING: &str = "portico_delivery_webhooks_waiting";
/// The longest sleep.
const IDLE: Duration = Duration::from_secs(60);
/// Wake-ups that come this close together lead to one round.
const GAP: Duration = Duration::from_millis(5);
/// The pause while due deliveries wait for slots. A slot that is given back ends it early.
const CROWDED: Duration = Duration::from_millis(500);

/// The task.
pub(crate) struct Deliver {
    services: Arc<Services>,
    waker: Arc<LocalWaker>,
    tasks: Tasks,
    config: DeliverConfig,
    slots: Slots,
    poster: Arc<Poster>,
    memory: Mutex<Memory>,
}

/// What one round leaves to the next.
#[derive(Clone, Default)]
struct Memory {
    turns: Turns,
    /// There is more due, no need to ask first.
    more: bool,
}

impl Deliver {
    /// The task, with the part of it that records results running.
    pub(crate) fn start(services: Arc<Services>, waker: Arc<LocalWaker>, tasks: Tasks, config: DeliverConfig) -> Self {
        let (outcomes, received) = mpsc::channel(config.slots_max.max(1));
        let slots = Slots::new(&config);
        tasks.spawn(Recorder::new(services.ports.clone(), waker.clone(), config.clone()).run(received));
        let poster = Poster {
            services: services.clone(),
            tasks: tasks.clone(),
            outcomes,
            slots: slots.clone(),
            config: config.clone(),
        };
        Self { services, waker, tasks, config, slots, poster: Arc::new(poster), memory: Mutex::default() }
    }

    /// Tells how busy the slots are.
    pub(crate) fn slots(&self) -> impl Fn() -> SlotsStatus + Send + Sync + 'static {
        let slots = self.slots.clone();
        move || slots.status()
    }

    /// Claims in one transaction. Reads before it writes: most wake-ups are about events nobody subscribed to.
    async fn claim(&self, limit: u32) -> Result<(Round, Turns)> {
        let ports = &self.services.ports;
        let start_by = Instant::now() + self.config.lease.saturating_sub(self.config.timeout + CLAIM_MARGIN);
        let Memory { mut turns, more } = lock(&self.memory).clone();
        let mut round = Round::new(self.slots.clone(), self.config.clone(), ports.now(), start_by);
        if !more {
            round.next_due = ports.read(|tx| tx.delivery_next_due()).await?;
            if round.next_due.is_none_or(|due| due > ports.now()) {
                return Ok((round, Turns::default()));
            }
        }
        let claim = move |tx: &mut dyn portico_core::ports::Tx| {
            round.claim(tx, &mut turns, limit)?;
            Ok((round, turns))
        };
        ports.store.write(claim).await
    }

    /// Starts the lanes, those of one webhook together.
    fn start_lanes(&self, lanes: Vec<Lane>) {
        let mut of_webhook: HashMap<_, Vec<Lane>> = HashMap::new();
        for lane in lanes {
            of_webhook.entry(lane.webhook().id.clone()).or_default().push(lane);
        }
        for lanes in of_webhook.into_values() {
            if let Some(webhook) = lanes.first().map(|lane| lane.webhook().clone()) {
                self.tasks.spawn(self.poster.clone().start_lanes(webhook, lanes));
            }
        }
    }
}

#[async_trait]
impl Job for Deliver {
    fn name(&self) -> &'static str {
        "deliver"
    }

    fn wakeup(&self) -> Option<&Notify> {
        Some(&self.waker.deliver)
    }

    fn gap(&self) -> Duration {
        GAP
    }

    async fn run_once(&self) -> Result<Run> {
        let limit = u32::try_from(self.slots.free()).unwrap_or(u32::MAX).min(self.config.batch);
        if limit == 0 {
            metrics::gauge!(SLOTS_FREE).set(0.0);
            // A slot that is given back wakes this task.
            return Ok(Run { done: 0, next: IDLE });
        }
        let (round, turns) = self.claim(limit).await?;
        *lock(&self.memory) = Memory { turns, more: round.more };
        self.slots.set_waiting(round.full.len());
        let (placed, more) = (round.lanes.len(), round.more);
        let due_in = round.next_due.map(|due| due.since(self.services.ports.now()));
        self.start_lanes(round.lanes);
        let slots = self.slots.status();
        metrics::gauge!(SLOTS_FREE).set(slots.free as f64);
        metrics::gauge!(WEBHOOKS_WAITING).set(slots.webhooks_waiting as f64);
        Ok(Run { done: placed as u64, next: pause(more, due_in) })
    }
}

/// When to claim again without a wake-up.
fn pause(more: bool, due_in: Option<Duration>) -> Duration {
    match due_in {
        _ if more => Duration::ZERO,
        None => IDLE,
        // Due and not claimed: its webhook has no slot.
        Some(Duration::ZERO) => CROWDED,
        Some(wait) => wait.min(IDLE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_fits_what_was_found() {
        let secs = Duration::from_secs;
        assert_eq!(pause(false, None), IDLE);
        assert_eq!(pause(false, Some(secs(7))), secs(7));
        assert_eq!(pause(false, Some(secs(3600))), IDLE);
        assert_eq!(pause(true, Some(secs(7))), Duration::ZERO);
        assert_eq!(pause(false, Some(Duration::ZERO)), CROWDED, "what is due waits for slots");
    }
}
