//! A circuit breaker: refuses calls of a hook for a while when it failed too often. Pure: the time is an argument. `breakers` decides
//! whose calls share a breaker.

use std::time::{Duration, Instant};

/// How long a call counts.
const WINDOW: Duration = Duration::from_secs(60);
/// Parts of the window that are forgotten one by one.
const BUCKETS: usize = 6;
/// Failures within the window that open the breaker, if they are at least half of the calls.
const FAILURES: u32 = 5;
/// Failures one after the other that open the breaker of a hook whose failure stops work.
const CONSECUTIVE_FAILURES_MAX: u32 = 3;
/// How long the breaker stays open at first; twice as long after each trial call that fails.
const PAUSE_MIN: Duration = Duration::from_secs(30);
/// How long the breaker stays open at most.
const PAUSE_MAX: Duration = Duration::from_secs(15 * 60);

/// What happens to the work when the hook fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureMode {
    /// The work goes on without the hook.
    FailOpen,
    /// The work waits until the hook succeeds.
    FailClosed,
}

/// The breaker of one hook of one plugin, for one tenant.
#[derive(Debug)]
pub(crate) struct Breaker {
    on_failure: FailureMode,
    state: State,
    buckets: [Bucket; BUCKETS],
    consecutive_failures: u32,
    start: Instant,
    last_asked: Instant,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed,
    Open {
        until: Instant,
        pause: Duration,
    },
    /// One trial call is under way. Its caller may go away without reporting, so another one is let through after a while.
    HalfOpen {
        since: Instant,
        pause: Duration,
    },
}

#[derive(Debug, Default, Clone, Copy)]
struct Bucket {
    period: u64,
    calls: u32,
    failures: u32,
}

impl Breaker {
    pub(crate) fn new(on_failure: FailureMode, now: Instant) -> Self {
        Self {
            on_failure,
            state: State::Closed,
            buckets: [Bucket::default(); BUCKETS],
            consecutive_failures: 0,
            start: now,
            last_asked: now,
        }
    }

    /// Whether a call may be made; if not, when it makes sense to ask again.
    pub(crate) fn admit(&mut self, now: Instant) -> Result<(), Duration> {
        self.last_asked = now;
        if let Some(left) = self.pause_left(now) {
            return Err(left);
        }
        if let State::Open { pause, .. } | State::HalfOpen { pause, .. } = self.state {
            self.state = State::HalfOpen { since: now, pause };
        }
        Ok(())
    }

    /// How much longer it lets no call through; `None` when it does.
    fn pause_left(&self, now: Instant) -> Option<Duration> {
        let until = match self.state {
            State::Closed => return None,
            State::Open { until, .. } => until,
            State::HalfOpen { since, .. } => since + PAUSE_MIN,
        };
        (now < until).then(|| until - now)
    }

    /// Whether forgetting this breaker changes nothing: it is closed and counts no failure.
    pub(crate) fn is_quiet(&self, now: Instant) -> bool {
        matches!(self.state, State::Closed) && self.recent(now).1 == 0
    }

    /// Orders breakers by how much is lost when one is forgotten: the least is one that lets calls through and was asked longest
    /// ago.
    pub(crate) fn eviction_rank(&self, now: Instant) -> (bool, Instant) {
        (self.pause_left(now).is_some(), self.last_asked)
    }

    /// A call ended well. Gives whether that closed the breaker.
    pub(crate) fn succeeded(&mut self, now: Instant) -> bool {
        self.bucket(now).calls += 1;
        self.consecutive_failures = 0;
        let closes = matches!(self.state, State::HalfOpen { .. });
        if closes {
            self.state = State::Closed;
            self.buckets = [Bucket::default(); BUCKETS];
        }
        closes
    }

    /// A call failed by the plugin's fault. Gives how long the plugin is left alone, if that opened the breaker.
    pub(crate) fn failed(&mut self, now: Instant) -> Option<Duration> {
        let bucket = self.bucket(now);
        bucket.calls += 1;
        bucket.failures += 1;
        self.consecutive_failures += 1;
        let pause = match self.state {
            State::Open { .. } => return None,
            State::HalfOpen { pause, .. } => (pause * 2).min(PAUSE_MAX),
            State::Closed if self.is_tripped(now) => PAUSE_MIN,
            State::Closed => return None,
        };
        self.state = State::Open { until: now + pause, pause };
        Some(pause)
    }

    fn is_tripped(&self, now: Instant) -> bool {
        let (calls, failures) = self.recent(now);
        let often = failures >= FAILURES && failures * 2 >= calls;
        often || (self.on_failure == FailureMode::FailClosed && self.consecutive_failures >= CONSECUTIVE_FAILURES_MAX)
    }

    /// Calls and failures within the window.
    fn recent(&self, now: Instant) -> (u32, u32) {
        let newest = self.period(now);
        // Threads read the clock before they take the lock, so that `now` may be older than the newest bucket.
        let recent = self.buckets.iter().filter(|b| newest.saturating_sub(b.period) < BUCKETS as u64);
        recent.fold((0, 0), |(calls, failures), b| (calls + b.calls, failures + b.failures))
    }

    fn period(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_secs() / (WINDOW.as_secs() / BUCKETS as u64)
    }

    fn bucket(&mut self, now: Instant) -> &mut Bucket {
        let period = self.period(now);
        let bucket = &mut self.buckets[period as usize % BUCKETS];
        if bucket.period != period {
            *bucket = Bucket { period, ..Bucket::default() };
        }
        bucket
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn five_failures_in_a_minute_open_it_when_they_are_half_of_the_calls() {
        let now = Instant::now();
        let mut breaker = Breaker::new(FailureMode::FailOpen, now);
        for _ in 0..4 {
            assert_eq!(breaker.failed(now), None);
        }
        assert_eq!(breaker.failed(now), Some(PAUSE_MIN));
        assert!(breaker.admit(now + SECOND).is_err());
    }

    #[test]
    fn few_failures_among_many_calls_do_not_open_it() {
        let now = Instant::now();
        let mut breaker = Breaker::new(FailureMode::FailOpen, now);
        for _ in 0..50 {
            breaker.succeeded(now);
            assert!(breaker.failed(now).is_none());
            breaker.succeeded(now);
        }
    }

    #[test]
    fn old_failures_are_forgotten() {
        let now = Instant::now();
        let mut breaker = Breaker::new(FailureMode::FailOpen, now);
        for second in [0, 20, 40, 60, 80, 100] {
            assert_eq!(breaker.failed(now + SECOND * second), None, "after {second} s");
        }
    }

    #[test]
    fn three_in_a_row_open_it_where_work_waits() {
        let now = Instant::now();
        let mut breaker = Breaker::new(FailureMode::FailClosed, now);
        breaker.failed(now);
        breaker.failed(now);
        breaker.succeeded(now);
        breaker.failed(now);
        breaker.failed(now);
        assert_eq!(breaker.failed(now), Some(PAUSE_MIN));
    }

    #[test]
    fn one_call_tries_after_the_pause_and_decides() {
        let mut now = Instant::now();
        let mut breaker = Breaker::new(FailureMode::FailClosed, now);
        for _ in 0..3 {
            breaker.failed(now);
        }
        now += PAUSE_MIN;
        assert!(breaker.admit(now).is_ok());
        assert!(breaker.admit(now).is_err(), "a second one while the first tries");
        assert_eq!(breaker.failed(now), Some(PAUSE_MIN * 2));
        now += PAUSE_MIN * 2;
        assert!(breaker.admit(now).is_ok());
        assert!(breaker.succeeded(now));
        assert!(breaker.admit(now).is_ok());
        assert_eq!(breaker.failed(now), None, "old failures must not count against a plugin that recovered");
    }

    #[test]
    fn the_pause_stops_growing() {
        let mut now = Instant::now();
        let mut breaker = Breaker::new(FailureMode::FailClosed, now);
        let mut pause = (0..3).filter_map(|_| breaker.failed(now)).last().expect("open");
        for _ in 0..10 {
            now += pause;
            breaker.admit(now).expect("a try");
            pause = breaker.failed(now).expect("open again");
        }
        assert_eq!(pause, PAUSE_MAX);
    }
}
