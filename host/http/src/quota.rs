//! A count per owner with an upper limit, such as the open event streams of each tenant.
//!
//! Invariant: only owners that hold at least one permit take memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// How many permits each owner holds. Cloning shares the counts.
#[derive(Clone)]
pub(crate) struct Quota<Owner>(Arc<Mutex<HashMap<Owner, u32>>>);

/// One of an owner's permits; dropping it gives it back.
pub(crate) struct Permit<Owner: Eq + Hash> {
    quota: Quota<Owner>,
    owner: Owner,
}

impl<Owner> Default for Quota<Owner> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<Owner: Clone + Eq + Hash> Quota<Owner> {
    /// Takes one of the owner's permits; `None` when it holds `limit` already.
    pub(crate) fn acquire(&self, owner: &Owner, limit: u32) -> Option<Permit<Owner>> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.get(owner).copied().unwrap_or(0);
        if count >= limit {
            return None;
        }
        held.insert(owner.clone(), count + 1);
        Some(Permit { quota: self.clone(), owner: owner.clone() })
    }
}

impl<Owner: Eq + Hash> Drop for Permit<Owner> {
    fn drop(&mut self) {
        let mut held = self.quota.0.lock().unwrap_or_else(PoisonError::into_inner);
        match held.get_mut(&self.owner) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                held.remove(&self.owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_are_given_back() {
        let quota = Quota::default();
        let first = quota.acquire(&"a", 2).unwrap();
        let second = quota.acquire(&"a", 2).unwrap();
        assert!(quota.acquire(&"a", 2).is_none());
        assert!(quota.acquire(&"b", 2).is_some());
        drop(first);
        drop(quota.acquire(&"a", 2).unwrap());
        drop(second);
        assert!(quota.0.lock().unwrap().is_empty());
    }
}
