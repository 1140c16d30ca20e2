//! Ends states of devices that lasted past their deadline; the state machine says what follows.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use portico_core::device::{Signal, session};
use portico_core::id::DeviceId;
use portico_core::ports::Tx;
use portico_core::time::UtcMs;
use portico_core::{Result, Services};
use tokio::sync::Notify;

use crate::runner::{Job, Run};
use crate::waker::LocalWaker;

/// Devices dealt with in one run.
const BATCH: u32 = 64;
/// The shortest time between two searches, however busy the gateway is: a deadline may be met this much late.
const GAP: Duration = Duration::from_secs(2);
/// The longest pause.
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

    /// Devices whose deadline has passed, and the next deadline of the others.
    async fn read(&self) -> Result<(Vec<DeviceId>, Option<UtcMs>)> {
        let now = self.services.ports.now();
        let read = move |tx: &mut dyn Tx| {
            let overdue = tx.device_overdue(now, BATCH)?;
            // The store lists devices by deadline, so the one behind those overdue has the next, if it is within `IDLE`.
            let next = tx.device_overdue(now + IDLE, BATCH + 1)?.into_iter().nth(overdue.len());
            let next = next.map(|id| tx.device_load(&id)).transpose()?.flatten();
            Ok((overdue, next.and_then(|device| device.deadline)))
        };
        self.services.ports.read(read).await
    }
}

#[async_trait]
impl Job for Expire {
    fn name(&self) -> &'static str {
        "expire"
    }

    fn wakeup(&self) -> Option<&Notify> {
        Some(&self.waker.expire)
    }

    fn gap(&self) -> Duration {
        GAP
    }

    async fn run_once(&self) -> Result<Run> {
        let ports = &self.services.ports;
        let (overdue, next) = self.read().await?;
        for id in &overdue {
            let effect = session::signal(ports, id, Signal::DeadlinePassed, None).await?;
            tracing::info!(device.id = %id, ?effect, "a device's state outlasted its deadline");
        }
        let done = overdue.len() as u64;
        if overdue.len() == BATCH as usize {
            return Ok(Run { done, next: Duration::ZERO });
        }
        Ok(Run { done, next: pause(next, ports.now()) })
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
