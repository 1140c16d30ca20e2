//! Places: how many of a thing each of its owners has at once, such as event streams of a tenant.
//!
//! Invariant: only owners that have some are remembered.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// The places that are taken.
#[derive(Clone)]
pub(crate) struct Places<Owner>(Arc<Mutex<HashMap<Owner, u32>>>);

/// One place, until it is dropped.
pub(crate) struct Place<Owner: Eq + Hash> {
    places: Places<Owner>,
    owner: Owner,
}

impl<Owner> Default for Places<Owner> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<Owner: Clone + Eq + Hash> Places<Owner> {
    /// Takes one of the owner's `limit` places; `None` when all are taken.
    pub(crate) fn take(&self, owner: &Owner, limit: u32) -> Option<Place<Owner>> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.get(owner).copied().unwrap_or(0);
        if count >= limit {
            return None;
        }
        taken.insert(owner.clone(), count + 1);
        Some(Place { places: self.clone(), owner: owner.clone() })
    }
}

impl<Owner: Eq + Hash> Drop for Place<Owner> {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(&self.owner) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                taken.remove(&self.owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back() {
        let places = Places::default();
        let first = places.take(&"a", 2).unwrap();
        let second = places.take(&"a", 2).unwrap();
        assert!(places.take(&"a", 2).is_none());
        assert!(places.take(&"b", 2).is_some());
        drop(first);
        drop(places.take(&"a", 2).unwrap());
        drop(second);
        assert!(places.0.lock().unwrap().is_empty());
    }
}
