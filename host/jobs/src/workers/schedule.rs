//! Which key runs when. Pure: time comes in, keys to start go out.
//!
//! Invariant: a key is in exactly one of these: running, ready (it waits for a permit), resting (with or without a time at
//! which it becomes ready).

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::Hash;

use tokio::time::Instant;

use super::Next;

/// All keys that are known.
pub(super) struct Schedule<K, M> {
    keys: HashMap<K, Entry<M>>,
    /// Keys that rest until a time.
    times: BTreeSet<(Instant, K)>,
    /// Keys that may start, in the order in which they became ready.
    ready: VecDeque<K>,
}

struct Entry<M> {
    state: State<M>,
    failures: u32,
}

enum State<M> {
    /// `again`: it was woken meanwhile. `at`: it is to run again at that time, whatever the run says.
    Running {
        again: bool,
        at: Option<Instant>,
    },
    Ready(M),
    Resting(M, Option<Instant>),
}

impl<K, M> Default for Schedule<K, M> {
    fn default() -> Self {
        Self { keys: HashMap::new(), times: BTreeSet::new(), ready: VecDeque::new() }
    }
}

impl<K: Clone + Eq + Hash + Ord, M: Default> Schedule<K, M> {
    /// The key has something to do.
    pub(super) fn wake(&mut self, key: K) {
        let entry = self.keys.entry(key.clone()).or_insert_with(Entry::resting);
        match &mut entry.state {
            State::Running { again, .. } => *again = true,
            State::Ready(_) => {}
            State::Resting(memory, at) => {
                if let Some(at) = at.take() {
                    self.times.remove(&(at, key.clone()));
                }
                entry.state = State::Ready(std::mem::take(memory));
                self.ready.push_back(key);
            }
        }
    }

    /// The key has something to do at that time; an earlier time that is known stays.
    pub(super) fn wake_at(&mut self, key: K, time: Instant) {
        let entry = self.keys.entry(key.clone()).or_insert_with(Entry::resting);
        match &mut entry.state {
            State::Running { at, .. } => *at = Some(at.map_or(time, |known| known.min(time))),
            State::Ready(_) => {}
            State::Resting(_, at) => {
                if at.is_some_and(|known| known <= time) {
                    return;
                }
                if let Some(later) = at.replace(time) {
                    self.times.remove(&(later, key.clone()));
                }
                self.times.insert((time, key));
            }
        }
    }

    /// Takes the keys that may start now, each with its memory and the permit that `permit` gave for it. A key that gets
    /// none stays ready and is passed over.
    pub(super) fn start<P>(&mut self, now: Instant, mut permit: impl FnMut(&M) -> Option<P>) -> Vec<(K, M, P)> {
        while self.times.first().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, key)) = self.times.pop_first() {
                if let Some(Entry { state: State::Resting(_, at), .. }) = self.keys.get_mut(&key) {
                    *at = None;
                }
                self.wake(key);
            }
        }
        let mut started = Vec::new();
        let mut left = VecDeque::new();
        while let Some(key) = self.ready.pop_front() {
            let Some(entry) = self.keys.get_mut(&key) else { continue };
            let State::Ready(memory) = &mut entry.state else { continue };
            match permit(memory) {
                Some(permit) => {
                    let memory = std::mem::take(memory);
                    entry.state = State::Running { again: false, at: None };
                    started.push((key, memory, permit));
                }
                None => left.push_back(key),
            }
        }
        self.ready = left;
        started
    }

    /// A run ended well.
    pub(super) fn ended(&mut self, key: K, memory: M, next: Next) {
        let at = match next {
            Next::WhenWoken => None,
            Next::At(at) => Some(at),
        };
        self.rest(key, memory, at, 0);
    }

    /// A run failed; the key runs again at that time. Wake-ups meanwhile don't shorten the pause.
    pub(super) fn failed(&mut self, key: K, memory: M, at: Instant) {
        let failures = self.failures(&key).saturating_add(1);
        if let Some(Entry { state: State::Running { again, .. }, .. }) = self.keys.get_mut(&key) {
            *again = false;
        }
        self.rest(key, memory, Some(at), failures);
    }

    /// How many runs of the key failed since the last one that ended well.
    pub(super) fn failures(&self, key: &K) -> u32 {
        self.keys.get(key).map_or(0, |entry| entry.failures)
    }

    /// When the next key becomes ready by itself.
    pub(super) fn next_time(&self) -> Option<Instant> {
        self.times.first().map(|(at, _)| *at)
    }

    /// Forgets keys that rest without a time.
    pub(super) fn forget_idle(&mut self) {
        self.keys.retain(|_, entry| !matches!(entry.state, State::Resting(_, None)));
    }

    fn rest(&mut self, key: K, memory: M, next: Option<Instant>, failures: u32) {
        let Some(entry) = self.keys.get_mut(&key) else { return };
        let (again, asked) = match entry.state {
            State::Running { again, at } => (again, at),
            State::Ready(_) | State::Resting(..) => return,
        };
        entry.failures = failures;
        entry.state = State::Resting(memory, None);
        if again {
            self.wake(key);
        } else if let Some(at) = [next, asked].into_iter().flatten().min() {
            self.wake_at(key, at);
        }
    }
}

impl<M: Default> Entry<M> {
    fn resting() -> Self {
        Self { state: State::Resting(M::default(), None), failures: 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    type Keys = Schedule<&'static str, u32>;

    fn started(keys: &mut Keys, now: Instant) -> Vec<&'static str> {
        keys.start(now, |_| Some(())).into_iter().map(|(key, ..)| key).collect()
    }

    #[test]
    fn a_key_runs_once_however_often_it_is_woken_and_again_if_that_was_while_it_ran() {
        let (mut keys, now) = (Keys::default(), Instant::now());
        keys.wake("a");
        keys.wake("a");
        keys.wake("b");
        assert_eq!(started(&mut keys, now), ["a", "b"]);
        keys.wake("a");
        assert!(started(&mut keys, now).is_empty(), "it runs already");
        keys.ended("a", 7, Next::WhenWoken);
        keys.ended("b", 0, Next::WhenWoken);
        let again = keys.start(now, |_| Some(()));
        assert_eq!(again, [("a", 7, ())], "with what it remembers");
        keys.ended("a", 0, Next::WhenWoken);
        assert!(started(&mut keys, now).is_empty());
        keys.forget_idle();
        assert!(keys.keys.is_empty() && keys.next_time().is_none());
    }

    #[test]
    fn a_key_runs_at_its_time_and_the_earliest_time_counts() {
        let (mut keys, now) = (Keys::default(), Instant::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        keys.wake_at("a", after(30));
        keys.wake_at("a", after(10));
        keys.wake_at("a", after(20));
        assert_eq!(keys.next_time(), Some(after(10)));
        assert!(started(&mut keys, after(9)).is_empty());
        assert_eq!(started(&mut keys, after(10)), ["a"]);
        keys.wake_at("a", after(15));
        keys.ended("a", 0, Next::At(after(60)));
        assert_eq!(keys.next_time(), Some(after(15)), "asked for while it ran");
        keys.wake("a");
        assert_eq!((keys.next_time(), started(&mut keys, after(11))), (None, vec!["a"]));
    }

    #[test]
    fn a_key_without_a_permit_waits_and_others_pass() {
        let (mut keys, now) = (Keys::default(), Instant::now());
        for key in ["a", "b", "c"] {
            keys.wake(key);
        }
        let mut asked = 0;
        let first = keys.start(now, |_| {
            asked += 1;
            (asked != 1).then_some(())
        });
        assert_eq!(first.len(), 2);
        keys.wake("a");
        assert_eq!(started(&mut keys, now), ["a"]);
    }

    #[test]
    fn a_failure_is_not_shortened_by_wake_ups_that_came_during_the_run() {
        let (mut keys, now) = (Keys::default(), Instant::now());
        keys.wake("a");
        started(&mut keys, now);
        keys.wake("a");
        let later = now + Duration::from_secs(5);
        keys.failed("a", 0, later);
        assert_eq!((keys.failures(&"a"), keys.next_time()), (1, Some(later)));
        assert_eq!(started(&mut keys, later), ["a"]);
        keys.ended("a", 0, Next::WhenWoken);
        assert_eq!(keys.failures(&"a"), 0);
    }
}
