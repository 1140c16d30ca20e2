//! Tells devices whose state lasted past its deadline; the state machine says what follows.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use portico_core::device::{Signal, session};
use portico_core::time::UtcMs;
use portico_core::{Result, Services};
use tokio::sync::Notify;

use crate::runner::{Job, Status};
use crate::waker::LocalWaker;

/// Devices told in one run.
const BATCH: u32 = 64;
/// Between two looks, however busy the gateway is: a deadline may be met this much late.
const GAP: Duration = Duration::from_secs(2);
/// The longest sleep.
const IDLE: Duration = Duration::from_secs(60);

/// The task.
pub(crate) struct Expire {
    services: Arc<Services>,
    waker: Arc<LocalWaker>,
}

impl Expire {
    pub(crate) fn new(services: Arc<Services>, waker: Arc<LocalWaker>) -> Self {
        Self { services, waker }
    }

    /// The next deadline of all: the store lists devices by deadline, so the first one due within [`IDLE`] has it.
    async fn next_deadline(&self) -> Result<Option<UtcMs>> {
        let ports = &self.services.ports;
        let mut tx = ports.store.read().await?;
        let first = tx.device_overdue(ports.now() + IDLE, 1).await?;
        match first.first() {
            None => Ok(None),
            Some(id) => Ok(tx.device_load(id).await?.and_then(|d| d.deadline)),
        }
    }
}

#[async_trait]
impl Job for Expire {
    fn name(&self) -> &'static str {
        "expire"
    }

    fn nudge(&self) -> Option<&Notify> {
        Some(&self.waker.expire)
    }

    fn gap(&self) -> Duration {
        GAP
    }

    async fn run_once(&self) -> Result<Status> {
        let ports = &self.services.ports;
        let overdue = {
            let mut tx = ports.store.read().await?;
            tx.device_overdue(ports.now(), BATCH).await?
        };
        for id in &overdue {
            let effect = session::tell(ports, id, Signal::DeadlinePassed, None).await?;
            tracing::info!(device.id = %id, ?effect, "a device's state outlasted its deadline");
        }
        let done = overdue.len() as u64;
        if overdue.len() == BATCH as usize {
            return Ok(Status { done, next: Duration::ZERO });
        }
        Ok(Status { done, next: pause(self.next_deadline().await?, ports.now()) })
    }
}

fn pause(deadline: Option<UtcMs>, now: UtcMs) -> Duration {
    deadline.map_or(IDLE, |at| at.since(now).clamp(GAP, IDLE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sleep_ends_with_the_next_deadline_and_is_never_a_spin() {
        assert_eq!(pause(None, UtcMs(0)), IDLE);
        assert_eq!(pause(Some(UtcMs(30_000)), UtcMs(0)), Duration::from_secs(30));
        assert_eq!(pause(Some(UtcMs(0)), UtcMs(5_000)), GAP);
        assert_eq!(pause(Some(UtcMs(900_000)), UtcMs(0)), IDLE);
    }
}
