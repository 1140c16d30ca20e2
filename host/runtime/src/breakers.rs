//! The circuit breakers of one hook, one per enablement, so that failures that one tenant's events cause do not stop the hook for
//! others.
//!
//! Their number is limited. An owner whose breaker was evicted starts with a new, closed one; no call is refused for lack of room.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::breaker::{Breaker, FailureMode};
use crate::owner::Owner;

/// Breakers by owner. Calls without a tenant (requests without valid credentials) share one.
type ByOwner = HashMap<Owner, Breaker>;

/// The breakers of one hook of one plugin.
pub(crate) struct Breakers {
    on_failure: FailureMode,
    breakers_max: usize,
    by_owner: Mutex<ByOwner>,
}

impl Breakers {
    /// No breakers yet, and never more than `breakers_max`.
    pub(crate) fn new(on_failure: FailureMode, breakers_max: usize) -> Self {
        Self { on_failure, breakers_max, by_owner: Mutex::default() }
    }

    /// As [`Breaker::admit`]. Calls of an owner without a breaker are admitted.
    pub(crate) fn admit(&self, owner: &Owner, now: Instant) -> Result<(), Duration> {
        self.lock().get_mut(owner).map_or(Ok(()), |breaker| breaker.admit(now))
    }

    /// As [`Breaker::succeeded`].
    pub(crate) fn succeeded(&self, owner: &Owner, now: Instant) -> bool {
        self.of(&mut self.lock(), owner, now).succeeded(now)
    }

    /// As [`Breaker::failed`].
    pub(crate) fn failed(&self, owner: &Owner, now: Instant) -> Option<Duration> {
        self.of(&mut self.lock(), owner, now).failed(now)
    }

    /// The owner's breaker, made if need be.
    fn of<'a>(&self, by_owner: &'a mut ByOwner, owner: &Owner, now: Instant) -> &'a mut Breaker {
        if !by_owner.contains_key(owner) {
            make_room(by_owner, self.breakers_max, now);
        }
        by_owner.entry(owner.clone()).or_insert_with(|| Breaker::new(self.on_failure, now))
    }

    fn lock(&self) -> MutexGuard<'_, ByOwner> {
        self.by_owner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes room for one more breaker. All that count no failure are evicted at once, so that this is not repeated for every call
/// while there are many of them. If there is none, the one that is least missed is evicted.
fn make_room(by_owner: &mut ByOwner, breakers_max: usize, now: Instant) {
    if by_owner.len() < breakers_max {
        return;
    }
    by_owner.retain(|_, breaker| !breaker.is_quiet(now));
    if by_owner.len() < breakers_max {
        return;
    }
    let least = by_owner.iter().min_by_key(|(_, breaker)| breaker.eviction_rank(now)).map(|(owner, _)| owner.clone());
    if let Some(owner) = least {
        by_owner.remove(&owner);
    }
}

#[cfg(test)]
mod tests {
    use portico_core::id::TenantId;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn tenant(n: u128) -> Owner {
        Owner { tenant: Some(TenantId::new(0, n)), device: None }
    }

    fn open(breakers: &Breakers, owner: &Owner, now: Instant) {
        let opened = (0..5).filter_map(|_| breakers.failed(owner, now)).count();
        assert_eq!(opened, 1);
    }

    #[test]
    fn failures_of_one_tenant_open_nobody_elses() {
        let now = Instant::now();
        for on_failure in [FailureMode::FailOpen, FailureMode::FailClosed] {
            let breakers = Breakers::new(on_failure, 8);
            for whose in [tenant(1), Owner::default()] {
                open(&breakers, &whose, now);
                assert!(breakers.admit(&whose, now).is_err());
            }
            assert!(breakers.admit(&tenant(2), now).is_ok());
            assert_eq!(breakers.failed(&tenant(2), now), None, "it starts from nothing");
            assert!(!breakers.succeeded(&tenant(2), now), "nothing had opened");
            assert!(breakers.admit(&tenant(1), now).is_err(), "what goes well for one closes nobody else's");
        }
    }

    #[test]
    fn there_are_never_more_than_so_many_and_everybody_gets_one() {
        let mut now = Instant::now();
        let breakers = Breakers::new(FailureMode::FailOpen, 8);
        for n in 0..100 {
            assert!(breakers.admit(&tenant(n), now).is_ok());
            breakers.succeeded(&tenant(n), now);
            assert!(breakers.lock().len() <= 8);
        }
        for n in 100..200 {
            now += Duration::from_millis(1);
            open(&breakers, &tenant(n), now);
            assert!(breakers.admit(&tenant(n), now).is_err());
            assert!(breakers.lock().len() <= 8);
        }
        assert!(breakers.admit(&tenant(100), now).is_ok(), "forgotten, not refused");
    }

    #[test]
    fn quiet_ones_go_first_and_open_ones_last() {
        let now = Instant::now();
        let breakers = Breakers::new(FailureMode::FailOpen, 3);
        open(&breakers, &tenant(1), now);
        breakers.failed(&tenant(2), now + SECOND);
        breakers.succeeded(&tenant(3), now + SECOND * 2);
        let known = |n: u128| breakers.lock().contains_key(&tenant(n));
        breakers.failed(&tenant(4), now + SECOND * 3);
        assert!(known(1) && known(2) && !known(3) && known(4), "the quiet one went");
        breakers.failed(&tenant(5), now + SECOND * 4);
        assert!(known(1) && !known(2) && known(4) && known(5), "the one that was asked longest ago went");
        assert!(breakers.admit(&tenant(1), now + SECOND * 4).is_err(), "still left alone");
    }

    #[test]
    fn failures_of_long_ago_are_quiet() {
        let now = Instant::now();
        let breakers = Breakers::new(FailureMode::FailOpen, 2);
        breakers.failed(&tenant(1), now);
        breakers.failed(&tenant(2), now);
        breakers.failed(&tenant(3), now + SECOND * 120);
        assert_eq!(breakers.lock().len(), 1);
    }
}
