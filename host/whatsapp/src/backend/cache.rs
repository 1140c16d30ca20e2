//! Records read before, so that reading them again costs no question to the store. Bounded; the oldest is dropped first.
//!
//! Only for the kinds in [`CACHED`]: small records that the library reads for every message and does not cache itself. It does
//! cache Signal sessions and identities; a second copy here would only cost memory.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use portico_core::ports::KeyWrite;

use super::deferred::RecordId;
use super::kind;

/// Kinds that are cached.
const CACHED: [&str; 2] = [kind::TC_TOKEN, kind::DEVICE_LIST];
/// Records cached per session.
const RECORDS_MAX: usize = 256;

/// The cache of one device's records. Also remembers that a record does not exist.
#[derive(Default)]
pub(super) struct RecordCache(Mutex<State>);

#[derive(Default)]
struct State {
    records: HashMap<RecordId, Option<Vec<u8>>>,
    order: VecDeque<RecordId>,
    /// Counts writes.
    version: u64,
    /// Cached kinds are being written: what is read meanwhile may be old.
    is_writing: bool,
}

/// Permission to add the answer of a read that began now; void after a write.
pub(super) struct Reading(u64);

impl RecordCache {
    /// The cached record, or what is needed to cache it once it was read. `None` for kinds that are not cached.
    pub(super) fn get(&self, kind: &'static str, id: &str) -> Option<Result<Option<Vec<u8>>, Reading>> {
        if !CACHED.contains(&kind) {
            return None;
        }
        let state = self.lock();
        Some(match state.records.get(&(kind, id.to_owned())) {
            Some(value) => Ok(value.clone()),
            None => Err(Reading(state.version)),
        })
    }

    /// Caches what was read, unless something was written meanwhile.
    pub(super) fn put(&self, reading: Reading, kind: &'static str, id: &str, value: Option<&[u8]>) {
        let mut state = self.lock();
        if state.version != reading.0 || state.is_writing {
            return;
        }
        let id = (kind, id.to_owned());
        if state.records.insert(id.clone(), value.map(<[u8]>::to_vec)).is_none() {
            state.order.push_back(id);
        }
        while state.order.len() > RECORDS_MAX {
            if let Some(oldest) = state.order.pop_front() {
                state.records.remove(&oldest);
            }
        }
    }

    /// Drops what `writes` change. Until [`Self::end_write`] nothing is cached, so that no reader keeps an old value.
    pub(super) fn begin_write(&self, writes: &[KeyWrite]) {
        if !writes.iter().any(|write| CACHED.contains(&kind_of(write))) {
            return;
        }
        let mut state = self.lock();
        state.version += 1;
        state.is_writing = true;
        for write in writes {
            match write {
                KeyWrite::Put { kind, id, .. } | KeyWrite::Delete { kind, id } => {
                    let id = (*kind, id.clone());
                    state.records.remove(&id);
                    state.order.retain(|known| *known != id);
                }
                KeyWrite::DeletePrefix { kind, prefix } => {
                    let is_kept = |id: &RecordId| id.0 != *kind || !id.1.starts_with(prefix.as_str());
                    state.records.retain(|id, _| is_kept(id));
                    state.order.retain(is_kept);
                }
            }
        }
    }

    /// The writes are done, or failed.
    pub(super) fn end_write(&self) {
        let mut state = self.lock();
        if std::mem::take(&mut state.is_writing) {
            state.version += 1;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn kind_of(write: &KeyWrite) -> &'static str {
    match write {
        KeyWrite::Put { kind, .. } | KeyWrite::Delete { kind, .. } | KeyWrite::DeletePrefix { kind, .. } => kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(cache: &RecordCache, id: &str) -> Result<Option<Vec<u8>>, Reading> {
        cache.get(kind::TC_TOKEN, id).expect("a cached kind")
    }

    fn fill(cache: &RecordCache, id: &str, value: Option<&[u8]>) {
        let Err(reading) = read(cache, id) else { panic!("cached already") };
        cache.put(reading, kind::TC_TOKEN, id, value);
    }

    #[test]
    fn absent_records_are_cached_too_and_a_write_drops_them() {
        let cache = RecordCache::default();
        assert!(cache.get(kind::SESSION, "a").is_none());
        fill(&cache, "a", None);
        fill(&cache, "b", Some(b"1"));
        assert!(matches!(read(&cache, "a"), Ok(None)));
        cache.begin_write(&[KeyWrite::Delete { kind: kind::TC_TOKEN, id: "a".to_owned() }]);
        cache.end_write();
        assert!(read(&cache, "a").is_err() && read(&cache, "b").is_ok());
        cache.begin_write(&[KeyWrite::DeletePrefix { kind: kind::TC_TOKEN, prefix: String::new() }]);
        assert!(read(&cache, "b").is_err());
    }

    #[test]
    fn a_value_read_before_or_during_a_write_is_not_cached() {
        let cache = RecordCache::default();
        let Err(before) = read(&cache, "a") else { panic!("nothing is cached") };
        cache.begin_write(&[KeyWrite::Delete { kind: kind::TC_TOKEN, id: "a".to_owned() }]);
        cache.put(before, kind::TC_TOKEN, "a", Some(b"old"));
        let Err(during) = read(&cache, "a") else { panic!("an old value") };
        cache.put(during, kind::TC_TOKEN, "a", Some(b"old"));
        let Err(during) = read(&cache, "a") else { panic!("an old value") };
        cache.end_write();
        cache.put(during, kind::TC_TOKEN, "a", Some(b"old"));
        assert!(read(&cache, "a").is_err());
        fill(&cache, "a", Some(b"new"));
        assert!(matches!(read(&cache, "a"), Ok(Some(new)) if new == b"new"));
    }

    #[test]
    fn the_oldest_record_is_dropped_first() {
        let cache = RecordCache::default();
        (0..=RECORDS_MAX).for_each(|n| fill(&cache, &n.to_string(), None));
        assert!(read(&cache, "0").is_err() && read(&cache, "1").is_ok());
    }
}
