//! Live events: told to whoever listens at that moment, stored nowhere and never repeated. QR codes are such: they are
//! secrets that are worth nothing a minute later.
//!
//! A listener that does not keep up loses the oldest; of one device only the newest event of a kind waits. Nothing is told to
//! listeners of another process.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::id::TenantId;
use crate::model::event::Event;

/// Events that wait for one listener at most.
pub const WAITING_MAX: usize = 64;

/// Who listens. Cloning shares the table.
#[derive(Clone, Debug, Default)]
pub struct LiveEvents(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    listeners: HashMap<TenantId, HashMap<u64, Waiting>>,
    next: u64,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Event>,
    waker: Option<Waker>,
}

/// Somebody who listens to the live events of a tenant, until it is dropped.
#[derive(Debug)]
pub struct Listener {
    live: LiveEvents,
    tenant: TenantId,
    number: u64,
}

impl LiveEvents {
    /// Listens from now on.
    pub fn listen(&self, tenant: &TenantId) -> Listener {
        let mut table = self.lock();
        let number = table.next;
        table.next += 1;
        table.listeners.entry(tenant.clone()).or_default().insert(number, Waiting::default());
        Listener { live: self.clone(), tenant: tenant.clone(), number }
    }

    /// Whether nobody listens.
    pub(crate) fn is_idle(&self) -> bool {
        self.lock().listeners.is_empty()
    }

    /// Tells an event to the listeners of its tenant.
    pub(crate) fn tell(&self, event: &Event) {
        let mut woken = Vec::new();
        let mut table = self.lock();
        for waiting in table.listeners.get_mut(&event.tenant).into_iter().flat_map(HashMap::values_mut) {
            waiting.events.retain(|known| known.kind != event.kind || known.device != event.device);
            if waiting.events.len() >= WAITING_MAX {
                waiting.events.pop_front();
            }
            waiting.events.push_back(event.clone());
            woken.extend(waiting.waker.take());
        }
        drop(table);
        // Not under the lock: a waker may run the listener at once.
        woken.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    /// Waits for the next event. May be dropped while it waits; nothing is lost then.
    pub async fn next(&mut self) -> Event {
        poll_fn(|cx| {
            let mut table = self.live.lock();
            let listeners = table.listeners.get_mut(&self.tenant);
            let Some(waiting) = listeners.and_then(|of| of.get_mut(&self.number)) else { return Poll::Pending };
            match waiting.events.pop_front() {
                Some(event) => Poll::Ready(event),
                None => {
                    waiting.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut table = self.live.lock();
        if let Some(listeners) = table.listeners.get_mut(&self.tenant) {
            listeners.remove(&self.number);
            if listeners.is_empty() {
                table.listeners.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Context;

    use super::*;
    use crate::event::EventKind;
    use crate::id::{DeviceId, EventId};
    use crate::time::UtcMs;

    fn event(tenant: u128, device: u128, at: i64) -> Event {
        Event {
            id: EventId::new(1, 1),
            seq: 0,
            kind: EventKind::DeviceQr,
            tenant: TenantId::new(1, tenant),
            device: Some(DeviceId::new(1, device)),
            lane: String::new(),
            timestamp: UtcMs(at),
            data: serde_json::Value::Null,
        }
    }

    fn heard(listener: &mut Listener) -> Option<i64> {
        match pin!(listener.next()).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(event) => Some(event.timestamp.0),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_tenant_hears_its_own_and_of_each_device_the_newest() {
        let live = LiveEvents::default();
        let (mut mine, mut other) = (live.listen(&TenantId::new(1, 1)), live.listen(&TenantId::new(1, 2)));
        for (device, at) in [(1, 10), (2, 11), (1, 12)] {
            live.tell(&event(1, device, at));
        }
        assert_eq!((heard(&mut mine), heard(&mut mine), heard(&mut mine)), (Some(11), Some(12), None));
        assert_eq!(heard(&mut other), None);
        drop((mine, other));
        assert!(live.is_idle());
    }

    #[test]
    fn who_does_not_keep_up_loses_the_oldest() {
        let live = LiveEvents::default();
        let mut slow = live.listen(&TenantId::new(1, 1));
        for n in 0..WAITING_MAX as i64 + 5 {
            live.tell(&event(1, n.unsigned_abs().into(), n));
        }
        assert_eq!(heard(&mut slow), Some(5));
    }
}
