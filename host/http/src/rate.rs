//! Rate limits: one token bucket per caller, in memory.
//!
//! Invariant: at most `callers_max` buckets are kept. Full buckets say nothing and are thrown away first; when all are in
//! use, everybody starts afresh rather than anybody being refused for want of memory.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use portico_core::id::KeyId;

use crate::config::{HttpConfig, Rate};

/// Whose requests are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    /// Those with one key.
    Key(KeyId),
    /// Those without a good key from one address (IPv6: one /64 network); `None` when the address is not known.
    Address(Option<IpAddr>),
}

impl Who {
    /// Requests without a good key from this address.
    pub(crate) fn at(address: Option<IpAddr>) -> Self {
        Self::Address(address.map(|ip| match ip {
            IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
                Some(v4) => IpAddr::V4(v4),
                None => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
            },
            v4 @ IpAddr::V4(_) => v4,
        }))
    }
}

/// What is left to a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    /// Requests at once at most.
    pub(crate) limit: u32,
    /// Requests that may come now.
    pub(crate) remaining: u32,
    /// Until the bucket is full again.
    pub(crate) full_in: Duration,
    /// `Some`: this request is one too many; when the next may come.
    pub(crate) wait: Option<Duration>,
}

struct Bucket {
    tokens: f64,
    at: Instant,
}

/// The limits with everything remembered about callers.
pub(crate) struct Limiter {
    per_key: Option<Rate>,
    anonymous: Option<Rate>,
    callers_max: usize,
    buckets: Mutex<HashMap<Who, Bucket>>,
}

impl Limiter {
    pub(crate) fn new(config: &HttpConfig) -> Self {
        Self {
            per_key: config.rate_per_key,
            anonymous: config.rate_anonymous,
            callers_max: config.rate_callers_max.max(1),
            buckets: Mutex::default(),
        }
    }

    fn rate(&self, who: &Who) -> Option<Rate> {
        match who {
            Who::Key(_) => self.per_key,
            Who::Address(_) => self.anonymous,
        }
    }

    /// Counts one request at `now`. `None`: there is no limit for this caller.
    pub(crate) fn take(&self, who: Who, now: Instant) -> Option<Left> {
        let rate = self.rate(&who)?;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= self.callers_max && !buckets.contains_key(&who) {
            buckets.retain(|who, bucket| {
                self.rate(who).is_some_and(|rate| refilled(bucket, rate, now) < f64::from(rate.burst))
            });
            if buckets.len() >= self.callers_max {
                buckets.clear();
            }
        }
        let full = Bucket { tokens: f64::from(rate.burst.max(1)), at: now };
        let bucket = buckets.entry(who).or_insert(full);
        bucket.tokens = refilled(bucket, rate, now);
        bucket.at = now;
        let allowed = bucket.tokens >= 1.0;
        if allowed {
            bucket.tokens -= 1.0;
        }
        Some(left(bucket.tokens, rate, allowed))
    }
}

fn per_second(rate: Rate) -> f64 {
    f64::from(rate.per_minute.max(1)) / 60.0
}

fn refilled(bucket: &Bucket, rate: Rate, now: Instant) -> f64 {
    let since = now.saturating_duration_since(bucket.at).as_secs_f64();
    (bucket.tokens + since * per_second(rate)).min(f64::from(rate.burst.max(1)))
}

fn left(tokens: f64, rate: Rate, allowed: bool) -> Left {
    let until = |wanted: f64| Duration::from_secs_f64(((wanted - tokens) / per_second(rate)).max(0.0));
    let burst = rate.burst.max(1);
    Left {
        limit: burst,
        // Between 0 and `burst`: the cast only cuts the fraction off.
        remaining: tokens as u32,
        full_in: until(f64::from(burst)),
        wait: (!allowed).then(|| until(1.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(callers_max: usize) -> Limiter {
        Limiter::new(&HttpConfig {
            rate_per_key: Some(Rate { per_minute: 60, burst: 3 }),
            rate_anonymous: None,
            rate_callers_max: callers_max,
            ..HttpConfig::default()
        })
    }

    fn key(n: u128) -> Who {
        Who::Key(KeyId::new(1, n))
    }

    #[test]
    fn a_burst_passes_then_the_rate_holds() {
        let (limiter, start) = (limiter(10), Instant::now());
        let remaining: Vec<_> = (0..3).filter_map(|_| limiter.take(key(1), start)).map(|l| l.remaining).collect();
        assert_eq!(remaining, [2, 1, 0]);
        let refused = limiter.take(key(1), start).unwrap();
        assert_eq!(refused.wait, Some(Duration::from_secs(1)));
        assert_eq!(limiter.take(key(2), start).unwrap().wait, None);
        assert_eq!(limiter.take(key(1), start + Duration::from_secs(1)).unwrap().wait, None);
    }

    #[test]
    fn no_limit_means_no_count() {
        assert_eq!(limiter(10).take(Who::at(None), Instant::now()), None);
    }

    #[test]
    fn memory_stays_bounded() {
        let (limiter, now) = (limiter(5), Instant::now());
        for n in 0..100 {
            limiter.take(key(n), now);
            assert!(limiter.buckets.lock().unwrap().len() <= 5);
        }
    }

    #[test]
    fn neighbours_in_one_ipv6_network_share_a_bucket() {
        let at = |text: &str| Who::at(Some(text.parse().unwrap()));
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_eq!(at("::ffff:192.0.2.1"), at("192.0.2.1"));
    }
}
