//! What everything is done with: the ports, the services above them, and who asks.

pub mod idempotency;
pub mod outcome;
pub mod queue_length;
pub mod transaction;

use std::sync::{Arc, Mutex, PoisonError};

use crate::directory::Directory;
use crate::error::Result;
use crate::id::TenantId;
use crate::limits::Limits;
use crate::live::LiveEvents;
use crate::model::access::Caller;
use crate::ports::store::Tx;
use crate::ports::{Blobs, Clock, Compute, Outbound, Plugins, Rng, Store, Waker, WhatsApp};
use crate::seal::Sealer;
use crate::throttle::Throttle;
use crate::time::UtcMs;
use idempotency::Idempotency;
use outcome::Outcomes;
use queue_length::QueueLengths;
pub use transaction::Write;

/// The ports below the network: all that is needed to record facts. Shared by everything.
pub struct Ports {
    /// Rows.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Wakes waiting tasks.
    pub waker: Arc<dyn Waker>,
    /// Hashes passwords.
    pub compute: Arc<dyn Compute>,
    /// Counts failed logins and the like.
    pub throttle: Throttle,
    /// Seals secrets.
    pub sealer: Sealer,
    /// Limits of the rules.
    pub limits: Limits,
    /// The newest id's time and random bits.
    pub ulids: MonotonicUlid,
    /// How many messages of each device wait.
    pub queue_lengths: QueueLengths,
    /// Which plugins are on for whom.
    pub directory: Arc<Directory>,
    /// Who waits for what becomes of a message or a delivery.
    pub outcomes: Outcomes,
    /// Who listens to events that are not stored.
    pub live: LiveEvents,
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

    /// Reads for the gateway itself. Operations read through what `OpContext::require` or `OpContext::device` gives.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Tx) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.store.read(work).await
    }

    /// Writes for the gateway itself: facts from the network and what background tasks find. Returns once it is durable;
    /// tasks that the transaction gave work are woken then.
    pub async fn write<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Write<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let ports = Arc::clone(self);
        let in_transaction = move |tx: &mut dyn Tx| {
            let mut write = Write::new(tx, &ports);
            let value = work(&mut write)?;
            Ok((value, write.into_wakeups()))
        };
        let (value, (topics, messages)) = self.store.write(in_transaction).await?;
        self.outcomes.tell(&messages);
        for topic in topics {
            self.waker.wake(topic);
        }
        Ok(value)
    }
}

/// Everything the gateway is made of. Shared by background tasks and, within an [`OpContext`], by operations.
pub struct Services {
    /// Rows, clock and the rest.
    pub ports: Arc<Ports>,
    /// Sessions.
    pub sessions: Arc<dyn WhatsApp>,
    /// Plugins.
    pub plugins: Arc<dyn Plugins>,
    /// The way out over HTTP.
    pub outbound: Arc<dyn Outbound>,
    /// Files.
    pub blobs: Arc<dyn Blobs>,
}

/// One operation: who asks for it, and what it is done with.
///
/// An operation reaches rows and sessions only through what `OpContext::require` and `OpContext::device` give, so that
/// none can forget to ask whether the caller may.
#[derive(Clone)]
pub struct OpContext {
    pub(crate) services: Arc<Services>,
    caller: Caller,
    idempotency: Option<Idempotency>,
}

impl OpContext {
    /// The context of a request. `idempotency` is the `Idempotency-Key` it came with.
    pub fn new(services: Arc<Services>, caller: Caller, idempotency: Option<Idempotency>) -> Self {
        Self { services, caller, idempotency }
    }

    /// Who asks.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The tenant the operation is for.
    pub fn tenant(&self) -> &TenantId {
        self.caller.tenant()
    }

    /// The `Idempotency-Key` the request came with.
    pub fn idempotency(&self) -> Option<&Idempotency> {
        self.idempotency.as_ref()
    }

    /// Whether an earlier request with the same `Idempotency-Key` was answered already, and this one gets its answer.
    pub fn was_repeated(&self) -> bool {
        self.idempotency.as_ref().is_some_and(Idempotency::was_repeated)
    }

    /// Limits of the rules.
    pub fn limits(&self) -> &Limits {
        &self.services.ports.limits
    }

    /// Which plugins are on for whom.
    pub(crate) fn directory(&self) -> &Directory {
        &self.services.ports.directory
    }

    /// Now.
    pub fn now(&self) -> UtcMs {
        self.services.ports.now()
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
