//! Writes that need no transaction of their own: they go along with the next one of the device.
//!
//! Three kinds of records are written for every message, and none of them has to be durable at once:
//! - an incoming message that waits for its commit must be durable no later than the ratchet that decrypted it, because the
//!   library can't decrypt it twice. Ratchets are stored by a write list, and this goes along. A message that was committed
//!   before is never written at all;
//! - a sent message, kept in case the recipient asks for it again, and the secret of a message: the library schedules a write
//!   of the ratchet within 25 ms, and these go along. A crash before that loses them, as it does in WhatsApp's own clients.
//!
//! What nothing takes along is written by itself after [`DEFER_TIME`], or as soon as [`BYTES_MAX`] wait.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portico_core::time::UtcMs;
use tokio::time::Instant;

/// How long a write waits for one that takes it along.
pub(super) const DEFER_TIME: Duration = Duration::from_millis(50);
/// Bytes that wait, at most, before they are written by themselves.
const BYTES_MAX: usize = 256 * 1024;

/// A record's kind and id.
pub(super) type RecordId = (&'static str, String);

/// A change of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Put { plain: Vec<u8>, expires: Option<UtcMs> },
    Delete,
}

impl Change {
    fn bytes(&self) -> usize {
        match self {
            Self::Put { plain, .. } => plain.len(),
            Self::Delete => 0,
        }
    }
}

/// The writes that wait, and those that are being written.
#[derive(Default)]
pub(super) struct Deferred(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: HashMap<RecordId, Change>,
    bytes: usize,
    since: Option<Instant>,
    /// Being written; readers must still find them.
    in_flight: HashMap<RecordId, Change>,
    /// A task watches over the waiting time.
    has_timer: bool,
}

/// What a reader finds among the deferred writes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Value(Vec<u8>),
    Deleted,
    Unknown,
}

/// What follows a deferral.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Then {
    Nothing,
    StartTimer,
    WriteNow,
}

impl Deferred {
    /// Has a change wait.
    pub(super) fn add(&self, id: RecordId, change: Change) -> Then {
        let mut state = self.lock();
        state.insert(id, change);
        state.then()
    }

    /// Has the removal of a record wait. One that was never written is forgotten instead.
    pub(super) fn delete(&self, id: RecordId, is_stored: bool) -> Then {
        let mut state = self.lock();
        let was_waiting = matches!(state.waiting.get(&id), Some(Change::Put { .. }));
        if was_waiting && !is_stored && !state.in_flight.contains_key(&id) {
            state.remove(&id);
            return Then::Nothing;
        }
        state.insert(id, Change::Delete);
        state.then()
    }

    pub(super) fn find(&self, kind: &'static str, id: &str) -> Found {
        let state = self.lock();
        if state.waiting.is_empty() && state.in_flight.is_empty() {
            return Found::Unknown;
        }
        let key = (kind, id.to_owned());
        match state.waiting.get(&key).or_else(|| state.in_flight.get(&key)) {
            Some(Change::Put { plain, .. }) => Found::Value(plain.clone()),
            Some(Change::Delete) => Found::Deleted,
            None => Found::Unknown,
        }
    }

    /// Takes all that wait, to write them now. Followed by [`Self::written`] or [`Self::not_written`], and until then by no
    /// other call of this function.
    pub(super) fn take(&self) -> Vec<(RecordId, Change)> {
        let mut state = self.lock();
        state.in_flight = std::mem::take(&mut state.waiting);
        state.bytes = 0;
        state.since = None;
        state.in_flight.iter().map(|(id, change)| (id.clone(), change.clone())).collect()
    }

    pub(super) fn written(&self) {
        self.lock().in_flight = HashMap::new();
    }

    /// What was taken waits again, unless there is a newer change.
    pub(super) fn not_written(&self) {
        let mut state = self.lock();
        for (id, change) in std::mem::take(&mut state.in_flight) {
            if !state.waiting.contains_key(&id) {
                state.insert(id, change);
            }
        }
    }

    /// How long the oldest may wait still; `None`, and the timer ends, when nothing waits.
    pub(super) fn timer(&self) -> Option<Duration> {
        let mut state = self.lock();
        let left = state.since.map(|since| DEFER_TIME.saturating_sub(since.elapsed()));
        state.has_timer = left.is_some();
        left
    }

    pub(super) fn clear(&self) {
        let mut state = self.lock();
        state.waiting = HashMap::new();
        state.bytes = 0;
        state.since = None;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn insert(&mut self, id: RecordId, change: Change) {
        self.since.get_or_insert_with(Instant::now);
        self.bytes += change.bytes();
        if let Some(before) = self.waiting.insert(id, change) {
            self.bytes -= before.bytes();
        }
    }

    fn remove(&mut self, id: &RecordId) {
        if let Some(before) = self.waiting.remove(id) {
            self.bytes -= before.bytes();
        }
        if self.waiting.is_empty() {
            self.since = None;
        }
    }

    fn then(&mut self) -> Then {
        if self.bytes > BYTES_MAX {
            return Then::WriteNow;
        }
        if std::mem::replace(&mut self.has_timer, true) { Then::Nothing } else { Then::StartTimer }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(id: &str) -> RecordId {
        ("kind", id.to_owned())
    }

    fn put(bytes: usize) -> Change {
        Change::Put { plain: vec![1; bytes], expires: None }
    }

    #[test]
    fn what_was_never_written_needs_no_removal() {
        let deferred = Deferred::default();
        assert_eq!(deferred.add(id("a"), put(1)), Then::StartTimer);
        assert_eq!(deferred.delete(id("a"), false), Then::Nothing);
        assert_eq!(deferred.find("kind", "a"), Found::Unknown);
        assert!(deferred.take().is_empty());
        assert_eq!(deferred.timer(), None);
        deferred.add(id("a"), put(1));
        deferred.delete(id("a"), true);
        assert_eq!(deferred.take(), [(id("a"), Change::Delete)]);
    }

    #[test]
    fn what_is_being_written_is_found_and_removed_afterwards() {
        let deferred = Deferred::default();
        deferred.add(id("a"), put(1));
        assert_eq!(deferred.take().len(), 1);
        assert_eq!(deferred.find("kind", "a"), Found::Value(vec![1]));
        deferred.delete(id("a"), false);
        assert_eq!(deferred.find("kind", "a"), Found::Deleted);
        deferred.written();
        assert_eq!(deferred.take(), [(id("a"), Change::Delete)]);
    }

    #[test]
    fn a_failed_write_waits_again_behind_newer_changes() {
        let deferred = Deferred::default();
        deferred.add(id("a"), put(1));
        deferred.add(id("b"), put(2));
        deferred.take();
        deferred.add(id("a"), put(3));
        deferred.not_written();
        let mut waiting = deferred.take();
        waiting.sort_by(|(left, _), (right, _)| left.cmp(right));
        assert_eq!(waiting, [(id("a"), put(3)), (id("b"), put(2))]);
    }

    #[test]
    fn the_memory_that_waits_is_bounded() {
        let deferred = Deferred::default();
        assert_eq!(deferred.add(id("a"), put(BYTES_MAX)), Then::StartTimer);
        assert_eq!(deferred.add(id("a"), put(BYTES_MAX)), Then::Nothing, "replaced, not added");
        assert_eq!(deferred.add(id("b"), put(1)), Then::WriteNow);
        deferred.take();
        assert_eq!(deferred.add(id("b"), put(1)), Then::Nothing);
    }
}
