//! Takes queued messages to WhatsApp: one worker per device, messages in order, paced.
//!
//! A message stays `queued` until WhatsApp acknowledges it. Which messages were written to the present connection is
//! remembered in memory only: a new connection, a new process or a missing acknowledgement leads to writing a message again
//! under the same WhatsApp id, which WhatsApp delivers once. A device with nothing to send costs nothing.

mod plan;
mod sender;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use portico_core::device::DeviceState;
use portico_core::id::{DeviceId, TenantId};
use portico_core::{Result, Services};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::SendConfig;
use crate::runner::{Job, Run};
use crate::tasks::{Tasks, lock};
use crate::waker::LocalWaker;
use crate::workers::{Limits, Next, Work, Workers};
use sender::Sender;

/// Devices the sweep reads in one transaction.
const PAGE: u32 = 200;

/// The task: wakes the workers of devices that were woken, and searches for devices whose wake-up was lost.
pub(crate) struct SendQueued {
    services: Arc<Services>,
    waker: Arc<LocalWaker>,
    config: SendConfig,
    workers: Workers<SendMessages>,
    sweep_at: Mutex<Instant>,
}

/// The work of one device.
struct SendMessages {
    services: Arc<Services>,
    config: SendConfig,
    stop: CancellationToken,
}

#[async_trait]
impl Work for SendMessages {
    type Key = DeviceId;
    type Memory = Sender;

    fn name(&self) -> &'static str {
        "send_messages"
    }

    fn tenant(&self, sender: &Sender) -> Option<TenantId> {
        sender.tenant().cloned()
    }

    async fn run(&self, device: &DeviceId, sender: &mut Sender) -> Result<Next> {
        sender.pass(&self.services, device, &self.config, &self.stop).await
    }
}

impl SendQueued {
    pub(crate) fn new(services: Arc<Services>, waker: Arc<LocalWaker>, tasks: Tasks, config: SendConfig) -> Self {
        let work = SendMessages { services: services.clone(), config: config.clone(), stop: tasks.stopping() };
        let limits = Limits { at_once: config.devices_at_once, per_tenant: config.devices_per_tenant };
        let sweep_at = Mutex::new(Instant::now() + config.sweep_every);
        Self { services, waker, config, workers: Workers::start(work, tasks, limits), sweep_at }
    }

    /// Wakes every connected device with queued messages.
    async fn sweep(&self) -> Result<u64> {
        let mut found = 0;
        let mut after: Option<DeviceId> = None;
        loop {
            let from = after.take();
            let page = move |tx: &mut dyn portico_core::ports::Tx| {
                let page = tx.device_wanted(from.as_ref(), PAGE)?;
                let last = page.last().map(|device| device.id.clone());
                let mut waiting = Vec::new();
                for device in page.into_iter().filter(|d| d.state == DeviceState::Connected) {
                    if !tx.message_queued(&device.id, None, 1)?.is_empty() {
                        waiting.push(device.id);
                    }
                }
                Ok((waiting, last))
            };
            let (waiting, last) = self.services.ports.read(page).await?;
            found += waiting.len() as u64;
            for device in waiting {
                self.workers.wake(device);
            }
            match last {
                Some(last) => after = Some(last),
                None => return Ok(found),
            }
        }
    }
}

#[async_trait]
impl Job for SendQueued {
    fn name(&self) -> &'static str {
        "send_queued"
    }

    fn wakeup(&self) -> Option<&Notify> {
        Some(&self.waker.send)
    }

    async fn run_once(&self) -> Result<Run> {
        let outgoing = self.waker.take_outgoing();
        let mut done = outgoing.devices.len() as u64;
        for device in outgoing.devices {
            self.workers.wake(device);
        }
        let due = *lock(&self.sweep_at) <= Instant::now();
        if outgoing.everything || due {
            self.workers.forget_idle();
            done += self.sweep().await?;
            *lock(&self.sweep_at) = Instant::now() + self.config.sweep_every;
        }
        // Not zero, which would mean "go on at once" to the runner.
        let next = lock(&self.sweep_at).saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        Ok(Run { done, next })
    }
}
