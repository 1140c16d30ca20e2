//! The waker of one process: the core wakes topics after a commit, and tasks and event streams wait for them here.
//!
//! What was woken is kept until a task takes it. The lists have a limit; a wake-up that finds its list full is remembered as
//! "everything", and the task then looks through all devices.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portico_core::id::DeviceId;
use portico_core::ports::{Topic, Waker};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::tasks::lock;

/// Devices with something to send that are remembered at most; beyond, all devices are searched.
pub const OUTGOING_MAX: usize = 100_000;
/// Requests about sessions that are remembered at most; beyond, all devices that should run are searched.
pub const SESSION_REQUESTS_MAX: usize = 100_000;

/// The [`Waker`] of one process.
#[derive(Default)]
pub struct LocalWaker {
    stored: watch::Sender<u64>,
    outgoing: Mutex<Outgoing>,
    requests: Mutex<SessionRequests>,
    watched: Mutex<HashMap<DeviceId, Vec<Arc<Notify>>>>,
    /// Wakes the task that delivers.
    pub(crate) deliver: Notify,
    /// Wakes the task that ends states past their deadline.
    pub(crate) expire: Notify,
    /// Wakes the task that sends.
    pub(crate) send: Notify,
    /// Wakes the task that starts and stops sessions.
    pub(crate) sessions: Notify,
}

/// Devices that may have something to send.
#[derive(Default)]
pub(crate) struct Outgoing {
    pub(crate) devices: HashSet<DeviceId>,
    /// There were more than fit.
    pub(crate) everything: bool,
}

/// Devices whose session is to be started, stopped or restarted, and not before when.
#[derive(Default)]
pub(crate) struct SessionRequests {
    pub(crate) devices: HashMap<DeviceId, Instant>,
    /// There were more than fit.
    pub(crate) everything: bool,
}

impl LocalWaker {
    /// A waker without wake-ups.
    pub fn new() -> Self {
        Self::default()
    }

    /// Changes whenever events were stored. A stream reads events, waits for a change, and reads on; the number itself
    /// means nothing.
    pub fn events(&self) -> watch::Receiver<u64> {
        self.stored.subscribe()
    }

    /// Takes the devices that may have something to send.
    pub(crate) fn take_outgoing(&self) -> Outgoing {
        std::mem::take(&mut lock(&self.outgoing))
    }

    /// Takes the requests about sessions.
    pub(crate) fn take_requests(&self) -> SessionRequests {
        std::mem::take(&mut lock(&self.requests))
    }

    /// Wakes whenever something happens to the device's session, until the answer is dropped.
    pub(crate) fn watch(&self, device: &DeviceId) -> Watch<'_> {
        let notify = Arc::new(Notify::new());
        lock(&self.watched).entry(device.clone()).or_default().push(notify.clone());
        Watch { waker: self, device: device.clone(), notify }
    }
}

impl Waker for LocalWaker {
    fn wake(&self, topic: Topic) {
        match topic {
            Topic::Events => {
                self.stored.send_modify(|count| *count = count.wrapping_add(1));
                self.deliver.notify_one();
                self.expire.notify_one();
            }
            Topic::Outgoing(device) => self.wake_outgoing(device),
            Topic::Session { device, after } => self.wake_session(device, after),
        }
    }
}

impl LocalWaker {
    fn wake_outgoing(&self, device: DeviceId) {
        for watcher in lock(&self.watched).get(&device).into_iter().flatten() {
            watcher.notify_one();
        }
        let mut outgoing = lock(&self.outgoing);
        if outgoing.devices.len() < OUTGOING_MAX {
            outgoing.devices.insert(device);
        } else if !outgoing.devices.contains(&device) {
            outgoing.everything = true;
        }
        drop(outgoing);
        self.send.notify_one();
    }

    fn wake_session(&self, device: DeviceId, after: Duration) {
        let at = Instant::now() + after;
        let mut requests = lock(&self.requests);
        if let Some(known) = requests.devices.get_mut(&device) {
            *known = at.min(*known);
        } else if requests.devices.len() < SESSION_REQUESTS_MAX {
            requests.devices.insert(device, at);
        } else {
            requests.everything = true;
        }
        drop(requests);
        self.sessions.notify_one();
    }
}

/// Somebody waiting for news of one device.
pub(crate) struct Watch<'a> {
    waker: &'a LocalWaker,
    device: DeviceId,
    notify: Arc<Notify>,
}

impl Watch<'_> {
    /// Waits for the next news; news since the last wait count.
    pub(crate) async fn news(&self) {
        self.notify.notified().await;
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let mut watched = lock(&self.waker.watched);
        if let Some(watchers) = watched.get_mut(&self.device) {
            watchers.retain(|w| !Arc::ptr_eq(w, &self.notify));
            if watchers.is_empty() {
                watched.remove(&self.device);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(n: u128) -> DeviceId {
        DeviceId::new(1, n)
    }

    #[tokio::test]
    async fn a_wake_up_before_the_wait_is_not_lost() {
        let waker = LocalWaker::new();
        let mut events = waker.events();
        waker.wake(Topic::Events);
        waker.wake(Topic::Events);
        events.changed().await.expect("the waker lives");
        waker.deliver.notified().await;
        waker.expire.notified().await;
    }

    #[tokio::test]
    async fn a_device_is_taken_once_however_often_it_was_woken() {
        let waker = LocalWaker::new();
        for n in [1, 1, 2] {
            waker.wake(Topic::Outgoing(device(n)));
        }
        waker.send.notified().await;
        assert_eq!(waker.take_outgoing().devices.len(), 2);
        assert!(waker.take_outgoing().devices.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_earliest_request_about_a_session_counts() {
        let waker = LocalWaker::new();
        for seconds in [30, 10, 60] {
            waker.wake(Topic::Session { device: device(1), after: Duration::from_secs(seconds) });
        }
        let requests = waker.take_requests();
        let at = Instant::now() + Duration::from_secs(10);
        assert_eq!((requests.devices, requests.everything), (HashMap::from([(device(1), at)]), false));
        assert!(waker.take_requests().devices.is_empty());
    }

    #[tokio::test]
    async fn a_watch_hears_its_device_and_leaves_nothing_behind() {
        let waker = LocalWaker::new();
        let watch = waker.watch(&device(1));
        waker.wake(Topic::Outgoing(device(1)));
        watch.news().await;
        drop(watch);
        assert!(lock(&waker.watched).is_empty());
    }
}
