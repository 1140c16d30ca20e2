//! Takes queued messages to WhatsApp: one sender per device, messages in order, paced.
//!
//! A message stays `queued` until WhatsApp acknowledges it. Which ones were written to the present connection is remembered
//! in memory only: a new connection, a new process or a missing acknowledgement leads to writing it again under the same
//! WhatsApp id, which WhatsApp delivers once. A device with nothing to send costs nothing.

mod plan;
mod sender;

use std::collections::{BTreeSet, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use portico_core::device::DeviceState;
use portico_core::id::DeviceId;
use portico_core::{Error, Result, Services};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use crate::config::SendConfig;
use crate::runner::{Job, Status};
use crate::tasks::{Tasks, cause, lock};
use crate::waker::LocalWaker;
use sender::Sender;

/// Devices read at once by the sweep.
const PAGE: u32 = 200;
/// A device whose queue could not be read is tried again after this long.
const RETRY: Duration = Duration::from_secs(5);

/// The task.
pub(crate) struct SendQueued(Arc<Shared>);

struct Shared {
    services: Arc<Services>,
    waker: Arc<LocalWaker>,
    tasks: Tasks,
    config: SendConfig,
    turns: Semaphore,
    desk: Mutex<Desk>,
}

/// Which devices are being served and which want to be.
struct Desk {
    senders: HashMap<DeviceId, Seat>,
    wakes: BTreeSet<(Instant, DeviceId)>,
    sweep_at: Instant,
}

#[derive(Default)]
struct Seat {
    /// `None` while it works.
    sender: Option<Sender>,
    working: bool,
    /// It was rung while it worked.
    again: bool,
    wake: Option<Instant>,
}

impl SendQueued {
    pub(crate) fn new(services: Arc<Services>, waker: Arc<LocalWaker>, tasks: Tasks, config: SendConfig) -> Self {
        let turns = Semaphore::new(config.devices_at_once.clamp(1, Semaphore::MAX_PERMITS));
        let sweep_at = Instant::now() + config.sweep_every;
        let desk = Mutex::new(Desk { senders: HashMap::new(), wakes: BTreeSet::new(), sweep_at });
        Self(Arc::new(Shared { services, waker, tasks, config, turns, desk }))
    }

    /// Connected devices with queued messages, for rings that were lost.
    async fn sweep(&self) -> Result<Vec<DeviceId>> {
        let mut found = Vec::new();
        let mut after: Option<DeviceId> = None;
        loop {
            let mut tx = self.0.services.ports.store.read().await?;
            let page = tx.device_wanted(after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(found) };
            after = Some(last.id.clone());
            for device in page.iter().filter(|d| d.state == DeviceState::Connected) {
                if tx.message_count_queued(&device.id).await? > 0 {
                    found.push(device.id.clone());
                }
            }
        }
    }
}

#[async_trait]
impl Job for SendQueued {
    fn name(&self) -> &'static str {
        "send_queued"
    }

    fn nudge(&self) -> Option<&Notify> {
        Some(&self.0.waker.send)
    }

    async fn run_once(&self) -> Result<Status> {
        let rung = self.0.waker.take_outgoing();
        let mut devices: BTreeSet<_> = rung.devices.into_iter().collect();
        devices.extend(self.0.take_due());
        if rung.everything || self.0.sweep_is_due() {
            devices.extend(self.sweep().await?);
            self.0.swept();
        }
        let done = devices.len() as u64;
        for device in devices {
            self.0.clone().serve(device);
        }
        Ok(Status { done, next: self.0.next_wake() })
    }
}

impl Shared {
    /// Lets the device's sender work, or work again if it does already.
    fn serve(self: Arc<Self>, device: DeviceId) {
        let mut desk = lock(&self.desk);
        let Desk { senders, wakes, .. } = &mut *desk;
        let seat = senders.entry(device.clone()).or_default();
        if let Some(wake) = seat.wake.take() {
            wakes.remove(&(wake, device.clone()));
        }
        if seat.working {
            seat.again = true;
            return;
        }
        seat.working = true;
        let sender = seat.sender.take().unwrap_or_default();
        drop(desk);
        self.tasks.clone().spawn(async move { self.work(device, sender).await });
    }

    async fn work(self: Arc<Self>, device: DeviceId, mut sender: Sender) {
        loop {
            let wake = {
                // Never closed.
                let _turn = self.turns.acquire().await;
                if self.tasks.stopping().is_cancelled() {
                    return;
                }
                let stopping = self.tasks.stopping();
                let pass = sender.pass(self.services.clone(), &device, &self.config, &stopping);
                // A panic in the protocol library must not leave the seat taken for ever.
                let passed = AssertUnwindSafe(pass).catch_unwind().await;
                match passed.unwrap_or_else(|_| Err(Error::internal("sending a device's messages", "it panicked"))) {
                    Ok(wake) => wake,
                    Err(error) => {
                        tracing::warn!(device.id = %device, error = cause(&error), "sending a device's messages failed and is tried again");
                        Some(Instant::now() + RETRY)
                    }
                }
            };
            let mut desk = lock(&self.desk);
            let Desk { senders, wakes, .. } = &mut *desk;
            let seat = senders.entry(device.clone()).or_default();
            if std::mem::take(&mut seat.again) {
                continue;
            }
            seat.working = false;
            seat.sender = Some(sender);
            seat.wake = wake;
            if let Some(wake) = wake {
                wakes.insert((wake, device));
                // The task may sleep past it.
                self.waker.send.notify_one();
            }
            return;
        }
    }

    fn take_due(&self) -> Vec<DeviceId> {
        let now = Instant::now();
        let mut desk = lock(&self.desk);
        let mut due = Vec::new();
        while desk.wakes.first().is_some_and(|(at, _)| *at <= now) {
            due.extend(desk.wakes.pop_first().map(|(_, device)| device));
        }
        for device in &due {
            if let Some(seat) = desk.senders.get_mut(device) {
                seat.wake = None;
            }
        }
        due
    }

    fn sweep_is_due(&self) -> bool {
        lock(&self.desk).sweep_at <= Instant::now()
    }

    /// Plans the next sweep and forgets devices that have been idle.
    fn swept(&self) {
        let mut desk = lock(&self.desk);
        desk.sweep_at = Instant::now() + self.config.sweep_every;
        desk.senders.retain(|_, seat| seat.working || seat.wake.is_some());
    }

    fn next_wake(&self) -> Duration {
        let desk = lock(&self.desk);
        let at = desk.wakes.first().map_or(desk.sweep_at, |(at, _)| desk.sweep_at.min(*at));
        // Not zero, which would mean "go on at once" to the runner.
        at.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
    }
}
