//! Rows kept in memory because every request asks for them: access keys and devices.
//!
//! A cache holds rows as they were committed. A transaction notes the rows it changes; they are dropped from the cache after
//! its commit and before anybody is told of that commit. So who was told that a key is revoked never has it answered from
//! memory again. A read that began before the commit may end after it, with the old row: it is told apart by the
//! generation, a counter that grows with every drop, and what it found is not kept.

use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hashlink::LruCache;
use portico_core::access::AccessKey;
use portico_core::device::Device;
use portico_core::id::{DeviceId, KeyId};

/// The caches of a store.
pub(crate) struct Caches {
    /// Access keys by the hash of their secret.
    pub(crate) keys: Cache<[u8; 32], AccessKey>,
    /// Devices.
    pub(crate) devices: Cache<DeviceId, Device>,
}

/// The rows a transaction changed or may have changed.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    /// Access keys.
    pub(crate) keys: Vec<KeyId>,
    /// Devices.
    pub(crate) devices: Vec<DeviceId>,
    /// Those of them that are gone, and with them the keys that were bound to them.
    pub(crate) devices_deleted: Vec<DeviceId>,
}

impl Touched {
    /// Adds what another transaction changed.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.keys.append(&mut other.keys);
        self.devices.append(&mut other.devices);
        self.devices_deleted.append(&mut other.devices_deleted);
    }
}

impl Caches {
    /// Empty caches for that many rows.
    pub(crate) fn new(keys_max: usize, devices_max: usize) -> Self {
        Self { keys: Cache::new(keys_max), devices: Cache::new(devices_max) }
    }

    /// Drops rows. To be called after a transaction's commit and before anybody is told of it, and also when it failed:
    /// what became of a commit that failed may not be known.
    pub(crate) fn forget(&self, touched: &Touched) {
        if !touched.keys.is_empty() || !touched.devices_deleted.is_empty() {
            let is_gone = |device: &DeviceId| touched.devices_deleted.contains(device);
            self.keys.forget(|_, key| touched.keys.contains(&key.id) || key.device.as_ref().is_some_and(is_gone));
        }
        if !touched.devices.is_empty() {
            self.devices.forget(|id, _| touched.devices.contains(id));
        }
    }
}

/// A bounded cache that forgets what was used least recently.
pub(crate) struct Cache<K, V>(Mutex<State<K, V>>);

struct State<K, V> {
    entries: LruCache<K, V>,
    generation: u64,
}

/// When a read began, as far as the cache is concerned.
#[derive(Clone, Copy)]
pub(crate) struct Generation(u64);

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    fn new(entries_max: usize) -> Self {
        Self(Mutex::new(State { entries: LruCache::new(entries_max), generation: 0 }))
    }

    fn state(&self) -> MutexGuard<'_, State<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is kept for `key`.
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.state().entries.get(key).cloned()
    }

    /// To be asked for before a read whose result is given to [`Self::put`].
    pub(crate) fn generation(&self) -> Generation {
        Generation(self.state().generation)
    }

    /// Keeps what a read found, unless anything was dropped since the read began.
    pub(crate) fn put(&self, began: Generation, key: K, value: V) {
        let mut state = self.state();
        if state.generation == began.0 {
            state.entries.insert(key, value);
        }
    }

    fn forget(&self, mut which: impl FnMut(&K, &V) -> bool) {
        let mut state = self.state();
        state.generation += 1;
        state.entries.retain(|key, value| !which(key, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_a_drop_is_not_kept() {
        let cache = Cache::new(10);
        let (slow, fast) = (cache.generation(), cache.generation());
        cache.put(fast, "a", 1);
        assert_eq!(cache.get(&"a"), Some(1));
        cache.forget(|key, _| *key == "a");
        cache.put(slow, "a", 1);
        assert_eq!(cache.get(&"a"), None);
        cache.put(cache.generation(), "a", 2);
        assert_eq!(cache.get(&"a"), Some(2));
    }

    #[test]
    fn a_cache_has_its_limit() {
        let cache = Cache::new(2);
        for n in 0..3 {
            cache.put(cache.generation(), n, n);
        }
        assert_eq!([0, 1, 2].map(|n| cache.get(&n)), [None, Some(1), Some(2)]);
    }
}
