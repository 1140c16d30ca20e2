//! Waiting for what becomes of one message or one delivery, without asking for it again and again.
//!
//! A waiter is told once a transaction that took its message or delivery a step further is durable; then it reads it. What
//! nobody waits for costs one look into a table. Nothing is told to waiters of another process.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::id::{DeliveryId, MessageId};

/// Who waits for which message or delivery. Cloning shares the table.
#[derive(Clone, Debug, Default)]
pub struct Outcomes(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    /// By id, as text: ids of different things differ in their prefixes.
    waiters: HashMap<String, HashMap<u64, Waiter>>,
    next: u64,
}

#[derive(Debug, Default)]
struct Waiter {
    told: bool,
    waker: Option<Waker>,
}

/// Somebody who waits for a message or a delivery, until it is dropped.
#[derive(Debug)]
pub struct Watch {
    outcomes: Outcomes,
    id: String,
    number: u64,
}

impl Outcomes {
    /// Waits for a message from now on. Read the message after this, so that no step in between is missed.
    pub fn watch(&self, message: &MessageId) -> Watch {
        self.watch_id(message.as_str())
    }

    /// Waits for a delivery from now on. Read the delivery after this, so that no attempt in between is missed.
    pub fn watch_delivery(&self, delivery: &DeliveryId) -> Watch {
        self.watch_id(delivery.as_str())
    }

    fn watch_id(&self, id: &str) -> Watch {
        let mut table = self.lock();
        let number = table.next;
        table.next += 1;
        table.waiters.entry(id.to_owned()).or_default().insert(number, Waiter::default());
        Watch { outcomes: self.clone(), id: id.to_owned(), number }
    }

    /// These messages got further.
    pub(crate) fn tell(&self, messages: &[MessageId]) {
        if !messages.is_empty() {
            self.tell_ids(messages.iter().map(MessageId::as_str));
        }
    }

    /// These deliveries were tried or ended. To be called once that is durable.
    pub fn tell_deliveries<'d>(&self, deliveries: impl IntoIterator<Item = &'d DeliveryId>) {
        self.tell_ids(deliveries.into_iter().map(DeliveryId::as_str));
    }

    fn tell_ids<'i>(&self, ids: impl Iterator<Item = &'i str>) {
        let mut woken = Vec::new();
        let mut table = self.lock();
        if table.waiters.is_empty() {
            return;
        }
        for id in ids {
            for waiter in table.waiters.get_mut(id).into_iter().flat_map(HashMap::values_mut) {
                waiter.told = true;
                woken.extend(waiter.waker.take());
            }
        }
        drop(table);
        // Not under the lock: a waker may run the waiter at once.
        woken.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// Waits for the next step; steps since the last wait count.
    pub async fn step(&mut self) {
        poll_fn(|cx| {
            let mut table = self.outcomes.lock();
            let waiter = table.waiters.get_mut(&self.id).and_then(|waiters| waiters.get_mut(&self.number));
            match waiter {
                Some(waiter) if !waiter.told => {
                    waiter.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
                Some(waiter) => {
                    waiter.told = false;
                    Poll::Ready(())
                }
                None => Poll::Ready(()),
            }
        })
        .await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut table = self.outcomes.lock();
        if let Some(waiters) = table.waiters.get_mut(&self.id) {
            waiters.remove(&self.number);
            if waiters.is_empty() {
                table.waiters.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Context;

    use super::*;

    fn is_ready(watch: &mut Watch) -> bool {
        pin!(watch.step()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn a_step_is_told_once_to_everybody_who_waits_for_that_message() {
        let outcomes = Outcomes::default();
        let (one, other) = (MessageId::new(1, 1), MessageId::new(1, 2));
        let (mut first, mut second, mut third) = (outcomes.watch(&one), outcomes.watch(&one), outcomes.watch(&other));
        assert!(!is_ready(&mut first));
        outcomes.tell(std::slice::from_ref(&one));
        assert!(is_ready(&mut first) && is_ready(&mut second), "a step before the wait is not lost");
        assert!(!is_ready(&mut first) && !is_ready(&mut third));
        drop((first, second, third));

        let delivery = DeliveryId::new(1, 1);
        let mut fourth = outcomes.watch_delivery(&delivery);
        outcomes.tell(&[one, other]);
        assert!(!is_ready(&mut fourth));
        outcomes.tell_deliveries([&delivery]);
        assert!(is_ready(&mut fourth));
        drop(fourth);
        assert!(outcomes.lock().waiters.is_empty(), "nothing is left behind");
    }
}
