//! Leaves a plugin alone for a while when it failed too often. Pure: the time is an argument. Whose calls share one is up to
//! `breakers`.

use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(60);
const BUCKETS: usize = 6;
/// Failures within the window that open it, if they are at least half of the calls.
const FAILURES: u32 = 5;
/// Failures in a row that open it where a failure holds work up.
const IN_A_ROW: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);

/// Which way the work falls when the hook fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Falls {
    /// The work goes on without the hook.
    Open,
    /// The work waits.
    Closed,
}

/// The breaker of one hook of one plugin, for one tenant.
#[derive(Debug)]
pub(crate) struct Breaker {
    falls: Falls,
    state: State,
    buckets: [Bucket; BUCKETS],
    in_a_row: u32,
    start: Instant,
    asked: Instant,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed,
    Open {
        until: Instant,
        pause: Duration,
    },
    /// One call is trying. Should it never report (its caller went away), the next may try after a while.
    Trying {
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
    pub(crate) fn new(falls: Falls, now: Instant) -> Self {
        Self { falls, state: State::Closed, buckets: [Bucket::default(); BUCKETS], in_a_row: 0, start: now, asked: now }
    }

    /// Whether a call may be made; if not, when it makes sense to ask again.
    pub(crate) fn admit(&mut self, now: Instant) -> Result<(), Duration> {
        self.asked = now;
        if let Some(left) = self.pause_left(now) {
            return Err(left);
        }
        if let State::Open { pause, .. } | State::Trying { pause, .. } = self.state {
            self.state = State::Trying { since: now, pause };
        }
        Ok(())
    }

    /// How much longer it lets no call through; `None` when it does.
    fn pause_left(&self, now: Instant) -> Option<Duration> {
        let until = match self.state {
            State::Closed => return None,
            State::Open { until, .. } => until,
            State::Trying { since, .. } => since + FIRST_PAUSE,
        };
        (now < until).then(|| until - now)
    }

    /// Whether a new one would do the same, but for a count of good calls.
    pub(crate) fn is_quiet(&self, now: Instant) -> bool {
        matches!(self.state, State::Closed) && self.recent(now).1 == 0
    }

    /// If one of several has to be forgotten, the least: one that lets calls through before one that doesn't, and of those the
    /// one that was asked longest ago.
    pub(crate) fn weight(&self, now: Instant) -> (bool, Instant) {
        (self.pause_left(now).is_some(), self.asked)
    }

    /// A call ended well. Gives whether that closed the breaker.
    pub(crate) fn succeeded(&mut self, now: Instant) -> bool {
        self.bucket(now).calls += 1;
        self.in_a_row = 0;
        let closes = matches!(self.state, State::Trying { .. });
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
        self.in_a_row += 1;
        let pause = match self.state {
            State::Open { .. } => return None,
            State::Trying { pause, .. } => (pause * 2).min(LONGEST_PAUSE),
            State::Closed if self.is_too_much(now) => FIRST_PAUSE,
            State::Closed => return None,
        };
        self.state = State::Open { until: now + pause, pause };
        Some(pause)
    }

    fn is_too_much(&self, now: Instant) -> bool {
        let (calls, failures) = self.recent(now);
        let often = failures >= FAILURES && failures * 2 >= calls;
        often || (self.falls == Falls::Closed && self.in_a_row >= IN_A_ROW)
    }

    /// Calls and failures within the window.
    fn recent(&self, now: Instant) -> (u32, u32) {
        let newest = self.period(now);
        // Another thread's `now` may be a little later and have come first.
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
        let mut breaker = Breaker::new(Falls::Open, now);
        for _ in 0..4 {
            assert_eq!(breaker.failed(now), None);
        }
        assert_eq!(breaker.failed(now), Some(FIRST_PAUSE));
        assert!(breaker.admit(now + SECOND).is_err());
    }

    #[test]
    fn few_failures_among_many_calls_do_not_open_it() {
        let now = Instant::now();
        let mut breaker = Breaker::new(Falls::Open, now);
        for _ in 0..50 {
            breaker.succeeded(now);
            assert!(breaker.failed(now).is_none());
            breaker.succeeded(now);
        }
    }

    #[test]
    fn old_failures_are_forgotten() {
        let now = Instant::now();
        let mut breaker = Breaker::new(Falls::Open, now);
        for second in [0, 20, 40, 60, 80, 100] {
            assert_eq!(breaker.failed(now + SECOND * second), None, "after {second} s");
        }
    }

    #[test]
    fn three_in_a_row_open_it_where_work_waits() {
        let now = Instant::now();
        let mut breaker = Breaker::new(Falls::Closed, now);
        breaker.failed(now);
        breaker.failed(now);
        breaker.succeeded(now);
        breaker.failed(now);
        breaker.failed(now);
        assert_eq!(breaker.failed(now), Some(FIRST_PAUSE));
    }

    #[test]
    fn one_call_tries_after_the_pause_and_decides() {
        let mut now = Instant::now();
        let mut breaker = Breaker::new(Falls::Closed, now);
        for _ in 0..3 {
            breaker.failed(now);
        }
        now += FIRST_PAUSE;
        assert!(breaker.admit(now).is_ok());
        assert!(breaker.admit(now).is_err(), "a second one while the first tries");
        assert_eq!(breaker.failed(now), Some(FIRST_PAUSE * 2));
        now += FIRST_PAUSE * 2;
        assert!(breaker.admit(now).is_ok());
        assert!(breaker.succeeded(now));
        assert!(breaker.admit(now).is_ok());
        assert_eq!(breaker.failed(now), None, "old failures must not count against a plugin that recovered");
    }

    #[test]
    fn the_pause_stops_growing() {
        let mut now = Instant::now();
        let mut breaker = Breaker::new(Falls::Closed, now);
        let mut pause = (0..3).filter_map(|_| breaker.failed(now)).last().expect("open");
        for _ in 0..10 {
            now += pause;
            breaker.admit(now).expect("a try");
            pause = breaker.failed(now).expect("open again");
        }
        assert_eq!(pause, LONGEST_PAUSE);
    }
}
