//! What every operation gets first: who asks, and the ports.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::access::Caller;
use crate::error::{Error, Result};
use crate::id::{EventId, TenantId};
use crate::limits::Limits;
use crate::ports::store::{IdempotencyClaim, IdempotencyEntry};
use crate::ports::{Clock, Outbound, Plugins, Rng, Store, Tx, Waker, WhatsApp};
use crate::seal::Sealer;
use crate::time::UtcMs;

/// The ports below the network: all that facts coming in need. Shared by everything.
pub struct Ports {
    /// Rows.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Wakes waiting tasks.
    pub waker: Arc<dyn Waker>,
    /// Seals secrets.
    pub sealer: Sealer,
    /// Limits of the rules.
    pub limits: Limits,
    /// The newest id's time and random bits.
    pub ulids: MonotonicUlid,
}

/// Hands out times and random bits for ids so that a later id sorts behind an earlier one, also within a millisecond.
#[derive(Debug, Default)]
pub struct MonotonicUlid(Mutex<(i64, u128)>);

/// Random bits of an id; the highest stays free, so that counting up never reaches the end.
const ULID_BITS: u32 = 79;

impl MonotonicUlid {
    fn next(&self, now: UtcMs, bits: u128) -> (i64, u128) {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *newest = if now.0 > newest.0 { (now.0, bits & ((1 << ULID_BITS) - 1)) } else { (newest.0, newest.1 + 1) };
        *newest
    }
}

impl Ports {
    /// Now.
    pub fn now(&self) -> UtcMs {
        self.clock.now()
    }

    /// A fresh id, made by `make` (such as `DeviceId::new`). Ids of one process sort in the order they were made.
    pub fn fresh<T>(&self, make: impl FnOnce(i64, u128) -> T) -> T {
        let (at_ms, bits) = self.ulids.next(self.now(), self.rng.bits());
        make(at_ms, bits)
    }
}

/// Everything the gateway is made of. Shared; requests borrow it through [`OpContext`].
pub struct Services {
    /// Rows, clock and the rest.
    pub ports: Arc<Ports>,
    /// Sessions.
    pub sessions: Arc<dyn WhatsApp>,
    /// Plugins.
    pub plugins: Arc<dyn Plugins>,
    /// The way out over HTTP.
    pub outbound: Arc<dyn Outbound>,
}

/// One operation: who asks for it, and what it is done with.
#[derive(Clone)]
pub struct OpContext {
    /// The ports.
    pub services: Arc<Services>,
    /// Who asks.
    pub caller: Caller,
    /// The `Idempotency-Key` the request came with.
    pub idempotency: Option<Idempotency>,
}

/// An `Idempotency-Key` with what identifies the request it came with.
#[derive(Clone, Debug)]
pub struct Idempotency {
    /// As sent.
    pub key: String,
    /// Hash over method, path and body.
    pub fingerprint: String,
    repeated: Arc<AtomicBool>,
}

/// Characters of an `Idempotency-Key` at most.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;

impl Idempotency {
    /// Checks a key as sent.
    pub fn new(key: &str, fingerprint: String) -> Result<Self> {
        if key.is_empty() || key.len() > IDEMPOTENCY_KEY_CHARS_MAX || !key.bytes().all(|b| b.is_ascii_graphic()) {
            let why = format!("must be 1 to {IDEMPOTENCY_KEY_CHARS_MAX} printable ASCII characters without blanks");
            return Err(Error::invalid("Idempotency-Key", why));
        }
        Ok(Self { key: key.to_owned(), fingerprint, repeated: Arc::default() })
    }

    /// Whether the operation found that an earlier request with this key had made the thing already.
    pub fn was_repeated(&self) -> bool {
        self.repeated.load(Ordering::Relaxed)
    }

    fn repeats(&self, resource: String) -> String {
        self.repeated.store(true, Ordering::Relaxed);
        resource
    }
}

/// What an operation that makes something does about an `Idempotency-Key`.
pub(crate) enum Once {
    /// Go on and make it.
    Make,
    /// It was made before, under this id.
    Made(String),
}

impl OpContext {
    /// The tenant the operation is for.
    pub fn tenant(&self) -> &TenantId {
        self.caller.tenant()
    }

    /// The ports below the network.
    pub fn ports(&self) -> &Ports {
        &self.services.ports
    }

    /// Now.
    pub fn now(&self) -> UtcMs {
        self.ports().now()
    }

    /// A fresh event id.
    pub fn event_id(&self) -> EventId {
        self.ports().fresh(EventId::new)
    }

    /// What an earlier request with this `Idempotency-Key` made, so that repeating it answers the same even where a new one
    /// would now be refused.
    pub(crate) async fn made_before(&self, tx: &mut dyn Tx) -> Result<Option<String>> {
        let Some(idempotency) = &self.idempotency else {
            return Ok(None);
        };
        match tx.idempotency_find(self.tenant(), &idempotency.key).await? {
            None => Ok(None),
            Some(known) if known.fingerprint == idempotency.fingerprint => {
                Ok(Some(idempotency.repeats(known.resource)))
            }
            Some(_) => Err(reused()),
        }
    }

    /// Binds the request's `Idempotency-Key`, if any, to `resource` within `tx`.
    pub(crate) async fn once(&self, tx: &mut dyn Tx, resource: &str) -> Result<Once> {
        let Some(idempotency) = &self.idempotency else {
            return Ok(Once::Make);
        };
        let entry = IdempotencyEntry {
            fingerprint: idempotency.fingerprint.clone(),
            resource: resource.to_owned(),
            created_at: self.now(),
        };
        match tx.idempotency_claim(self.tenant(), &idempotency.key, &entry).await? {
            IdempotencyClaim::Fresh => Ok(Once::Make),
            IdempotencyClaim::Known(known) if known.fingerprint == entry.fingerprint => {
                Ok(Once::Made(idempotency.repeats(known.resource)))
            }
            IdempotencyClaim::Known(_) => Err(reused()),
        }
    }
}

fn reused() -> Error {
    Error::Conflict {
        code: "idempotency_key_reused",
        why: "this Idempotency-Key came with a different request before; use a new key".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_in_the_order_they_were_made_even_when_the_clock_goes_back() {
        let ulids = MonotonicUlid::default();
        let made: Vec<_> = [5, 5, 5, 9, 7, 9, 10].into_iter().map(|ms| ulids.next(UtcMs(ms), u128::MAX)).collect();
        assert!(made.is_sorted(), "{made:?}");
        assert!(made.iter().all(|(_, bits)| *bits < 1 << 80));
    }
}
