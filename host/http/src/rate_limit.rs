//! Rate limits: token buckets, in memory.
//!
//! A request counts towards its key and towards its tenant, so that a tenant gains nothing by making more keys; a request
//! without a good key counts towards its address. An administrative request counts towards its key alone, so that other keys
//! of the tenant can't use up its rate. Invariant: at most `callers_max` buckets are kept. Full buckets carry no
//! information and are dropped first; when all are in use, all are reset, so that nobody is refused for lack of memory.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use portico_core::access::Credential;
use portico_core::id::TenantId;

use crate::api::App;
use crate::concurrency::Share;
use crate::config::{HttpConfig, Rate};
use crate::credentials::Principal;
use crate::peer;
use crate::problem::Problem;

/// Whose requests are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Subject {
    /// Those with one key or login.
    Credential(Credential),
    /// Those with any key of one tenant.
    Tenant(TenantId),
    /// Those without a good key of one peer; `None` when its address is not known.
    Address(Option<IpAddr>),
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

type Buckets = HashMap<Subject, Bucket>;

/// The most buckets that one request counts towards.
const BUCKETS_PER_REQUEST: usize = 2;

/// The rates, and the bucket of everybody who sent a request lately.
pub(crate) struct Limiter {
    per_key: Option<Rate>,
    per_tenant: Option<Rate>,
    anonymous: Option<Rate>,
    callers_max: usize,
    buckets: Mutex<Buckets>,
}

impl Limiter {
    pub(crate) fn new(config: &HttpConfig) -> Self {
        Self {
            per_key: config.rate_per_key,
            per_tenant: config.rate_per_tenant,
            anonymous: config.rate_anonymous,
            callers_max: config.rate_callers_max.max(BUCKETS_PER_REQUEST),
            buckets: Mutex::default(),
        }
    }

    /// Counts one request from `address` at `now`. `None`: there is no limit for it.
    pub(crate) fn count(
        &self,
        principal: &Principal,
        share: Share,
        address: Option<IpAddr>,
        now: Instant,
    ) -> Option<Left> {
        let Some(caller) = principal.caller() else {
            return self.take(&[Subject::Address(address.map(peer::network))], now);
        };
        let (key, tenant) =
            (Subject::Credential(caller.credential().clone()), Subject::Tenant(caller.tenant().clone()));
        match share {
            Share::Common => self.take(&[key, tenant], now),
            Share::Reserved => self.take(&[key], now),
        }
    }

    /// Takes a token out of each of the buckets, or out of none where one of them is empty, and tells of the tightest.
    fn take(&self, whose: &[Subject], now: Instant) -> Option<Left> {
        let limited: Vec<(&Subject, Rate)> = whose.iter().filter_map(|who| Some((who, self.rate(who)?))).collect();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        self.make_room(&mut buckets, &limited, now);
        let mut allowed = true;
        for (who, rate) in &limited {
            let full = Bucket { tokens: burst(*rate), at: now };
            let bucket = buckets.entry((*who).clone()).or_insert(full);
            *bucket = Bucket { tokens: refilled(bucket, *rate, now), at: now };
            allowed &= bucket.tokens >= 1.0;
        }
        let lefts = limited.iter().filter_map(|(who, rate)| {
            let bucket = buckets.get_mut(who)?;
            if allowed {
                bucket.tokens -= 1.0;
            }
            Some(left(bucket.tokens, *rate, allowed))
        });
        lefts.min_by_key(|left| (Reverse(left.wait), left.remaining))
    }

    fn rate(&self, who: &Subject) -> Option<Rate> {
        match who {
            Subject::Credential(_) => self.per_key,
            Subject::Tenant(_) => self.per_tenant,
            Subject::Address(_) => self.anonymous,
        }
    }

    fn make_room(&self, buckets: &mut Buckets, limited: &[(&Subject, Rate)], now: Instant) {
        let fits = |buckets: &Buckets| {
            let missing = limited.iter().filter(|(who, _)| !buckets.contains_key(*who)).count();
            buckets.len() + missing <= self.callers_max
        };
        if fits(buckets) {
            return;
        }
        buckets.retain(|who, bucket| self.rate(who).is_some_and(|rate| refilled(bucket, rate, now) < burst(rate)));
        if !fits(buckets) {
            buckets.clear();
        }
    }
}

/// Counts a request towards the limits of whoever sends it.
pub(crate) fn count(app: &App, principal: &Principal, share: Share, request: &Request) -> Option<Left> {
    app.limiter.count(principal, share, peer::of(request), Instant::now())
}

/// The answer to a request that is one too many.
pub(crate) fn refusal(left: Option<Left>) -> Option<Problem> {
    Some(Problem::too_many(ceil(left?.wait?)))
}

/// Tells the caller what is left, as `RateLimit-*` headers.
pub(crate) fn announce(headers: &mut HeaderMap, left: Option<Left>) {
    let Some(left) = left else { return };
    for (name, value) in [
        ("ratelimit-limit", u64::from(left.limit)),
        ("ratelimit-remaining", u64::from(left.remaining)),
        ("ratelimit-reset", ceil(left.full_in).as_secs()),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
    }
}

/// Rounds up to whole seconds, as headers count them.
fn ceil(span: Duration) -> Duration {
    let whole = span.as_secs() + u64::from(span.subsec_nanos() > 0);
    Duration::from_secs(whole)
}

fn burst(rate: Rate) -> f64 {
    f64::from(rate.burst.max(1))
}

fn per_second(rate: Rate) -> f64 {
    f64::from(rate.per_minute.max(1)) / 60.0
}

fn refilled(bucket: &Bucket, rate: Rate, now: Instant) -> f64 {
    let since = now.saturating_duration_since(bucket.at).as_secs_f64();
    (bucket.tokens + since * per_second(rate)).min(burst(rate))
}

fn left(tokens: f64, rate: Rate, allowed: bool) -> Left {
    let until = |wanted: f64| Duration::from_secs_f64(((wanted - tokens) / per_second(rate)).max(0.0));
    Left {
        limit: rate.burst.max(1),
        // Between 0 and `burst`: the cast only cuts the fraction off.
        remaining: tokens as u32,
        full_in: until(burst(rate)),
        wait: (!allowed && tokens < 1.0).then(|| until(1.0)),
    }
}

#[cfg(test)]
mod tests {
    use portico_core::id::KeyId;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn limiter(callers_max: usize) -> Limiter {
        Limiter::new(&HttpConfig {
            rate_per_key: Some(Rate { per_minute: 60, burst: 3 }),
            rate_per_tenant: Some(Rate { per_minute: 120, burst: 4 }),
            rate_anonymous: None,
            rate_callers_max: callers_max,
            ..HttpConfig::default()
        })
    }

    /// A key of a tenant.
    fn key(n: u128, tenant: u128) -> [Subject; 2] {
        [Subject::Credential(Credential::Key(KeyId::new(1, n))), Subject::Tenant(TenantId::new(1, tenant))]
    }

    #[test]
    fn a_burst_passes_then_the_rate_holds() {
        let (limiter, start) = (limiter(10), Instant::now());
        let remaining: Vec<_> = (0..3).filter_map(|_| limiter.take(&key(1, 1), start)).map(|l| l.remaining).collect();
        assert_eq!(remaining, [2, 1, 0]);
        let refused = limiter.take(&key(1, 1), start).unwrap();
        assert_eq!(refused.wait, Some(SECOND));
        assert_eq!(limiter.take(&key(2, 2), start).unwrap().wait, None);
        assert_eq!(limiter.take(&key(1, 1), start + SECOND).unwrap().wait, None);
    }

    #[test]
    fn more_keys_make_no_larger_a_share() {
        let (limiter, start) = (limiter(10), Instant::now());
        for n in 0..3 {
            assert_eq!(limiter.take(&key(n, 1), start).unwrap().wait, None);
        }
        // The tenant's bucket is the tighter one by now.
        let left = limiter.take(&key(1, 1), start).unwrap();
        assert_eq!((left.limit, left.remaining, left.wait), (4, 0, None));
        let refused = limiter.take(&key(9, 1), start).unwrap();
        assert_eq!((refused.limit, refused.wait), (4, Some(SECOND / 2)));
        assert_eq!(limiter.take(&key(10, 2), start).unwrap().wait, None, "another tenant has a share of its own");
    }

    #[test]
    fn what_is_refused_for_one_key_costs_the_others_nothing() {
        let (limiter, start) = (limiter(10), Instant::now());
        for _ in 0..9 {
            limiter.take(&key(1, 1), start);
        }
        let left = limiter.take(&key(2, 1), start).unwrap();
        assert_eq!((left.limit, left.remaining, left.wait), (4, 0, None));
    }

    #[test]
    fn no_limit_means_no_count() {
        let principal = Principal::Anonymous;
        assert_eq!(limiter(10).count(&principal, Share::Common, None, Instant::now()), None);
        let free = HttpConfig { rate_per_key: None, rate_per_tenant: None, ..HttpConfig::default() };
        assert_eq!(Limiter::new(&free).take(&key(1, 1), Instant::now()), None);
    }

    #[test]
    fn memory_stays_bounded() {
        let (limiter, now) = (limiter(5), Instant::now());
        for n in 0..100 {
            assert_eq!(limiter.take(&key(n, n), now).unwrap().wait, None);
            assert!(limiter.buckets.lock().unwrap().len() <= 5);
        }
    }
}
