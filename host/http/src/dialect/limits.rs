//! The limits that a plugin declares: so many requests in a fixed window, as its documented API counts them.
//!
//! They stand beside the gateway's own rates, which hold for every request. Invariant: at most `callers_max` windows are
//! kept. Windows that are over are dropped first; when all are running, all are forgotten, so that nobody is refused for lack
//! of memory.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use portico_core::access::Credential;
use portico_core::id::TenantId;
use portico_core::ports::Clock;
use portico_core::ports::plugins::{Limit, LimitBy, LimitHeaders};
use portico_core::time::UtcMs;

use super::table::{Claim, Table};
use crate::config::DialectLimits;
use crate::credentials::Principal;
use crate::peer;

/// What raised limits are multiplied with.
const RAISED: u32 = 1_000;

/// Whose requests are counted together.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Subject {
    Address(Option<IpAddr>),
    Credential(Credential),
    Device(TenantId, String),
}

/// One running window: when it began, and how many requests came in it.
struct Window {
    began: UtcMs,
    count: u32,
    length: Duration,
}

/// The running windows of all limits.
pub(crate) struct Windows {
    scale: DialectLimits,
    callers_max: usize,
    clock: Arc<dyn Clock>,
    running: Mutex<HashMap<(String, String, Subject), Window>>,
}

/// What is left of the tightest limit of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    limit: u32,
    remaining: u32,
    /// When the window ends.
    reset: UtcMs,
    /// Until then.
    pub(super) wait: Duration,
    headers: LimitHeaders,
    spent: bool,
}

impl Left {
    /// Whether this request is one too many.
    pub(super) fn is_spent(&self) -> bool {
        self.spent
    }
}

impl Windows {
    pub(crate) fn new(scale: DialectLimits, callers_max: usize, clock: Arc<dyn Clock>) -> Self {
        Self { scale, callers_max: callers_max.max(1), clock, running: Mutex::default() }
    }

    /// Counts a request towards the limits by address, before anything else is known of it.
    pub(super) fn by_address(&self, table: &Table, claims: &[Claim], from: Option<IpAddr>) -> Option<Left> {
        self.count(table, claims, |limit, _| {
            (limit.by == LimitBy::Address).then(|| Subject::Address(from.map(peer::network)))
        })
    }

    /// Counts it towards the limits of its key and its device.
    pub(super) fn by_caller(&self, table: &Table, claims: &[Claim], principal: &Principal) -> Option<Left> {
        let caller = principal.caller()?;
        self.count(table, claims, |limit, claim| match limit.by {
            LimitBy::Address => None,
            LimitBy::Key => Some(Subject::Credential(caller.credential().clone())),
            LimitBy::Device => Some(match claim.params.first() {
                Some(device) => Subject::Device(caller.tenant().clone(), device.clone()),
                // A device that stands in the body is not known yet.
                None => Subject::Credential(caller.credential().clone()),
            }),
        })
    }

    /// Only the first claim is counted: who asks the next one was passed on by the first.
    fn count(&self, table: &Table, claims: &[Claim], who: impl Fn(&Limit, &Claim) -> Option<Subject>) -> Option<Left> {
        let claim = claims.first()?;
        let declared = &table.mount(claim.plugin)?.limits;
        let named = table.route(claim).limits.iter();
        let limits = named.filter_map(|name| declared.iter().find(|limit| limit.name == *name));
        let now = self.clock.now();
        let counted = limits.filter_map(|limit| {
            let key = (table.plugin(claim.plugin).to_owned(), limit.name.clone(), who(limit, claim)?);
            Some(self.take(limit, key, now))
        });
        counted.reduce(tightest)
    }

    fn take(&self, limit: &Limit, key: (String, String, Subject), now: UtcMs) -> Left {
        let scale = if self.scale == DialectLimits::Raised { RAISED } else { 1 };
        let count_max = limit.count.saturating_mul(scale);
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if !running.contains_key(&key) && running.len() >= self.callers_max {
            running.retain(|_, window| !window.is_over(now));
            if running.len() >= self.callers_max {
                running.clear();
            }
        }
        let window = running.entry(key).or_insert(Window { began: now, count: 0, length: limit.window });
        if window.is_over(now) {
            *window = Window { began: now, count: 0, length: limit.window };
        }
        window.count = window.count.saturating_add(1);
        let reset = window.began + window.length;
        Left {
            limit: count_max,
            remaining: count_max.saturating_sub(window.count),
            reset,
            wait: Duration::from_millis(u64::try_from(reset.0 - now.0).unwrap_or(0)),
            headers: limit.headers,
            spent: window.count > count_max,
        }
    }
}

impl Window {
    fn is_over(&self, now: UtcMs) -> bool {
        now >= self.began + self.length || now < self.began
    }
}

fn tightest(a: Left, b: Left) -> Left {
    if (b.spent, u32::MAX - b.remaining) > (a.spent, u32::MAX - a.remaining) { b } else { a }
}

/// The one of two that is nearer to its end.
pub(super) fn tighter(a: Option<Left>, b: Option<Left>) -> Option<Left> {
    match (a, b) {
        (Some(a), Some(b)) => Some(tightest(a, b)),
        (one, other) => one.or(other),
    }
}

/// Tells the client what is left, in the headers its API documents.
pub(super) fn announced(mut response: Response, left: Option<&Left>) -> Response {
    let Some(left) = left else { return response };
    let seconds = left.wait.as_millis().div_ceil(1_000);
    let (names, reset) = match left.headers {
        LimitHeaders::RateLimit => (["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"], seconds),
        LimitHeaders::XRateLimit => {
            let unix = u128::try_from(left.reset.0).unwrap_or(0).div_ceil(1_000);
            (["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"], unix)
        }
        LimitHeaders::None => return response,
    };
    let values = [u64::from(left.limit), u64::from(left.remaining), u64::try_from(reset).unwrap_or(u64::MAX)];
    for (name, value) in names.into_iter().zip(values) {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from(value));
    }
    response
}
