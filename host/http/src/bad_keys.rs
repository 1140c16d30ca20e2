//! Keys that stood in a request's body or path and were not good, counted by address, so that nobody can try them all.
//!
//! Keys in headers need no such count: a request without a good one has the rate of strangers.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::peer;

/// How long bad keys are held against an address.
const WINDOW: Duration = Duration::from_secs(60);

/// The count of each address that sent bad keys lately.
pub(crate) struct BadKeys {
    per_minute: u32,
    addresses_max: usize,
    counts: Mutex<HashMap<Option<IpAddr>, (Instant, u32)>>,
}

impl BadKeys {
    /// No counts yet; those of at most `addresses_max` addresses are kept.
    pub(crate) fn new(per_minute: u32, addresses_max: usize) -> Self {
        Self { per_minute: per_minute.max(1), addresses_max: addresses_max.max(1), counts: Mutex::default() }
    }

    /// Whether so many came from there that no more are looked up for now.
    pub(crate) fn is_blocked(&self, from: Option<IpAddr>) -> bool {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.get(&from.map(peer::network));
        count.is_some_and(|(began, count)| began.elapsed() < WINDOW && *count >= self.per_minute)
    }

    /// Counts one more.
    pub(crate) fn count(&self, from: Option<IpAddr>) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= self.addresses_max {
            counts.retain(|_, (began, _)| began.elapsed() < WINDOW);
            if counts.len() >= self.addresses_max {
                counts.clear();
            }
        }
        let entry = counts.entry(from.map(peer::network)).or_insert((Instant::now(), 0));
        if entry.0.elapsed() >= WINDOW {
            *entry = (Instant::now(), 0);
        }
        entry.1 = entry.1.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_blocked_after_so_many_and_no_other_is() {
        let bad = BadKeys::new(3, 2);
        let at = |text: &str| Some(text.parse().unwrap());
        for _ in 0..3 {
            assert!(!bad.is_blocked(at("192.0.2.1")));
            bad.count(at("192.0.2.1"));
        }
        assert!(bad.is_blocked(at("192.0.2.1")) && !bad.is_blocked(at("192.0.2.2")));
        for last in 2..9 {
            bad.count(at(&format!("192.0.2.{last}")));
            assert!(bad.counts.lock().unwrap().len() <= 2);
        }
    }
}
