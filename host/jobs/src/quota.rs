//! Bounds how much happens at once: overall, and for each of several scopes such as a tenant or a receiver.
//!
//! Whoever wants to begin something names its scopes and takes a [`Permit`], which gives back what it holds when it is
//! dropped. Nobody waits inside: who gets nothing tries again after it was told that a permit was given back.
//!
//! Invariant: the first scope named (the group, such as the tenant) never gets more than is left free for all the others. One
//! busy group gets at most half of the whole, two a third each, and so on; a group that holds nothing finds something free
//! as long as fewer than a handful of others are busy.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex};

use crate::tasks::lock;

/// A bounded number of units, shared by scopes that are identified by `K`.
pub(crate) struct Quota<K: Eq + Hash>(Arc<Shared<K>>);

struct Shared<K> {
    max: usize,
    table: Mutex<Table<K>>,
}

struct Table<K> {
    taken: usize,
    /// Holds an entry only for scopes that have taken something.
    scopes: HashMap<K, usize>,
}

/// Something with a limit of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scope<K> {
    /// What it is.
    pub(crate) key: K,
    /// Units it may hold.
    pub(crate) max: usize,
}

impl<K: Eq + Hash> Clone for Quota<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Eq + Hash + Clone> Quota<K> {
    /// `max` units, at least one.
    pub(crate) fn new(max: usize) -> Self {
        let table = Table { taken: 0, scopes: HashMap::new() };
        Self(Arc::new(Shared { max: max.max(1), table: Mutex::new(table) }))
    }

    /// Units in all.
    pub(crate) fn max(&self) -> usize {
        self.0.max
    }

    /// Units nobody holds.
    pub(crate) fn free(&self) -> usize {
        self.0.max.saturating_sub(lock(&self.0.table).taken)
    }

    /// How many units something with these scopes, the group first, would get.
    pub(crate) fn room(&self, scopes: &[Scope<K>]) -> usize {
        room(self.0.max, &lock(&self.0.table), scopes)
    }

    /// Takes up to `wanted` units for something with these scopes, the group first; `None` when it would be none.
    pub(crate) fn take(&self, scopes: &[Scope<K>], wanted: usize) -> Option<Permit<K>> {
        let mut table = lock(&self.0.table);
        let units = wanted.min(room(self.0.max, &table, scopes));
        if units == 0 {
            return None;
        }
        table.taken += units;
        for scope in scopes {
            *table.scopes.entry(scope.key.clone()).or_default() += units;
        }
        Some(Permit { quota: self.clone(), scopes: scopes.iter().map(|s| s.key.clone()).collect(), units })
    }
}

impl<K: Eq + Hash> Quota<K> {
    fn give_back(&self, scopes: &[K], units: usize) {
        let mut table = lock(&self.0.table);
        table.taken = table.taken.saturating_sub(units);
        for key in scopes {
            if let Some(taken) = table.scopes.get_mut(key) {
                *taken = taken.saturating_sub(units);
                if *taken == 0 {
                    table.scopes.remove(key);
                }
            }
        }
    }
}

fn room<K: Eq + Hash>(max: usize, table: &Table<K>, scopes: &[Scope<K>]) -> usize {
    let taken = |key: &K| table.scopes.get(key).copied().unwrap_or(0);
    let free = max.saturating_sub(table.taken);
    // Each unit taken makes the group larger by one and the rest smaller by one.
    let fair = scopes.first().map_or(free, |group| free.saturating_sub(taken(&group.key)).div_ceil(2));
    scopes.iter().map(|s| s.max.max(1).saturating_sub(taken(&s.key))).fold(fair, usize::min)
}

/// Units that are held until this is dropped.
pub(crate) struct Permit<K: Eq + Hash> {
    quota: Quota<K>,
    scopes: Vec<K>,
    units: usize,
}

impl<K: Eq + Hash> Permit<K> {
    /// How many.
    pub(crate) fn units(&self) -> usize {
        self.units
    }
}

impl<K: Eq + Hash> Drop for Permit<K> {
    fn drop(&mut self) {
        self.quota.give_back(&self.scopes, self.units);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(key: &'static str, max: usize) -> Scope<&'static str> {
        Scope { key, max }
    }

    fn take_all(quota: &Quota<&'static str>, scopes: &[Scope<&'static str>]) -> Vec<Permit<&'static str>> {
        std::iter::from_fn(|| quota.take(scopes, 1)).collect()
    }

    #[test]
    fn every_scope_has_its_limit_and_gets_back_what_is_dropped() {
        let quota = Quota::new(100);
        let first = take_all(&quota, &[scope("tenant", 10), scope("receiver", 4)]);
        let second = take_all(&quota, &[scope("tenant", 10), scope("other receiver", 40)]);
        assert_eq!((first.len(), second.len(), quota.free()), (4, 6, 90));
        drop(first);
        assert_eq!(quota.room(&[scope("tenant", 10), scope("receiver", 4)]), 4);
        drop(second);
        assert_eq!(quota.free(), 100);
        assert!(lock(&quota.0.table).scopes.is_empty());
    }

    #[test]
    fn busy_groups_leave_as_much_as_each_of_them_has() {
        let quota = Quota::new(120);
        let held: Vec<_> = ["a", "b", "c"].into_iter().map(|key| take_all(&quota, &[scope(key, 1000)])).collect();
        assert_eq!(held.iter().map(Vec::len).collect::<Vec<_>>(), [60, 30, 15]);
        assert_eq!(take_all(&quota, &[scope("d", 1000)]).len(), 8);
        assert_eq!(quota.room(&[scope("a", 1000)]), 0);
    }

    #[test]
    fn several_units_are_taken_as_far_as_there_is_room() {
        let quota = Quota::new(10);
        let permit = quota.take(&[scope("a", 100)], 8).expect("some");
        assert_eq!((permit.units(), quota.free()), (5, 5));
        assert!(quota.take(&[scope("a", 100)], 1).is_none());
        drop(permit);
        assert_eq!(quota.free(), 10);
        let only = Quota::new(1);
        assert_eq!(only.take(&[scope("a", 0)], 3).map(|p| p.units()), Some(1), "a limit of nothing counts as one");
    }
}
