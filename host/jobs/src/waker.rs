//! The waker of one process: what the core rings after a commit, and what tasks and event streams wait on.
//!
//! Rings are kept until they are taken, each at most once; nothing here grows without a limit. A ring that finds no room is
//! remembered as "look at everything".

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portico_core::id::DeviceId;
use portico_core::ports::Waker;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::tasks::lock;

/// Devices with something to send that are remembered at most; beyond, all devices are looked at.
pub const OUTGOING_MAX: usize = 100_000;
/// Requests about sessions that are remembered at most; beyond, all wanted devices are looked at.
pub const SESSION_REQUESTS_MAX: usize = 100_000;

/// The [`Waker`] of one process.
#[derive(Default)]
pub struct LocalWaker {
    stored: watch::Sender<u64>,
    outgoing: Mutex<Rung>,
    requests: Mutex<Requests>,
    watched: Mutex<HashMap<DeviceId, Vec<Arc<Notify>>>>,
    /// For the task that delivers.
    pub(crate) deliver: Notify,
    /// For the task that minds deadlines.
    pub(crate) expire: Notify,
    /// For the task that sends.
    pub(crate) send: Notify,
    /// For the task that starts and stops sessions.
    pub(crate) sessions: Notify,
}

/// Devices that rang.
#[derive(Default)]
pub(crate) struct Rung {
    pub(crate) devices: HashSet<DeviceId>,
    /// There were more than fit.
    pub(crate) everything: bool,
}

#[derive(Default)]
struct Requests {
    due: HashMap<DeviceId, Instant>,
    everything: bool,
}

/// Requests about sessions that are due.
#[derive(Default)]
pub(crate) struct DueRequests {
    pub(crate) devices: Vec<DeviceId>,
    /// There were more than fit.
    pub(crate) everything: bool,
    /// When the next one is due.
    pub(crate) next: Option<Instant>,
}

impl LocalWaker {
    /// A waker nobody has rung.
    pub fn new() -> Self {
        Self::default()
    }

    /// Changes whenever events were stored. A stream reads events, waits for a change, and reads on; the number itself
    /// means nothing.
    pub fn events(&self) -> watch::Receiver<u64> {
        self.stored.subscribe()
    }

    /// Takes the devices that have something to send.
    pub(crate) fn take_outgoing(&self) -> Rung {
        std::mem::take(&mut lock(&self.outgoing))
    }

    /// Takes at most `limit` requests about sessions that are due.
    pub(crate) fn take_requests(&self, now: Instant, limit: usize) -> DueRequests {
        let mut requests = lock(&self.requests);
        let due = requests.due.iter().filter(|(_, at)| **at <= now).map(|(id, _)| id.clone());
        let devices: Vec<_> = due.take(limit).collect();
        for device in &devices {
            requests.due.remove(device);
        }
        let everything = std::mem::take(&mut requests.everything);
        DueRequests { devices, everything, next: requests.due.values().min().copied() }
    }

    /// Wakes whenever something happens to the device's session, until the answer is dropped.
    pub(crate) fn watch(&self, device: &DeviceId) -> Watch<'_> {
        let notify = Arc::new(Notify::new());
        lock(&self.watched).entry(device.clone()).or_default().push(notify.clone());
        Watch { waker: self, device: device.clone(), notify }
    }
}

impl Waker for LocalWaker {
    fn events_stored(&self) {
        self.stored.send_modify(|count| *count = count.wrapping_add(1));
        self.deliver.notify_one();
        self.expire.notify_one();
    }

    fn outgoing(&self, device: &DeviceId) {
        let mut rung = lock(&self.outgoing);
        if rung.devices.len() < OUTGOING_MAX {
            rung.devices.insert(device.clone());
        } else if !rung.devices.contains(device) {
            rung.everything = true;
        }
        drop(rung);
        self.send.notify_one();
        for watcher in lock(&self.watched).get(device).into_iter().flatten() {
            watcher.notify_one();
        }
    }

    fn session(&self, device: &DeviceId, after: Duration) {
        let at = Instant::now() + after;
        let mut requests = lock(&self.requests);
        if let Some(known) = requests.due.get_mut(device) {
            *known = at.min(*known);
        } else if requests.due.len() < SESSION_REQUESTS_MAX {
            requests.due.insert(device.clone(), at);
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
    async fn a_ring_before_the_wait_is_not_lost() {
        let waker = LocalWaker::new();
        let mut events = waker.events();
        waker.events_stored();
        waker.events_stored();
        events.changed().await.expect("the waker lives");
        waker.deliver.notified().await;
        waker.expire.notified().await;
    }

    #[tokio::test]
    async fn devices_ring_once_however_often_they_are_rung() {
        let waker = LocalWaker::new();
        waker.outgoing(&device(1));
        waker.outgoing(&device(1));
        waker.outgoing(&device(2));
        waker.send.notified().await;
        assert_eq!(waker.take_outgoing().devices.len(), 2);
        assert!(waker.take_outgoing().devices.is_empty());
    }

    #[test]
    fn a_request_comes_due_and_an_earlier_one_wins() {
        let waker = LocalWaker::new();
        waker.session(&device(1), Duration::from_secs(30));
        waker.session(&device(2), Duration::from_secs(60));
        let now = Instant::now();
        let early = waker.take_requests(now, 8);
        assert!(early.devices.is_empty() && early.next.is_some_and(|at| at > now));
        waker.session(&device(2), Duration::ZERO);
        assert_eq!(waker.take_requests(Instant::now(), 8).devices, [device(2)]);
        let due = waker.take_requests(now + Duration::from_secs(30), 8);
        assert_eq!((due.devices, due.next, due.everything), (vec![device(1)], None, false));
    }

    #[tokio::test]
    async fn a_watch_hears_its_device_and_leaves_nothing_behind() {
        let waker = LocalWaker::new();
        let watch = waker.watch(&device(1));
        waker.outgoing(&device(1));
        watch.news().await;
        drop(watch);
        assert!(lock(&waker.watched).is_empty());
    }
}
