//! Deliveries and the rule for what follows an attempt.

use std::time::Duration;

use crate::id::{DeliveryId, EventId, TenantId, WebhookId};
use crate::limits::Limits;
use crate::model::event::EventKind;
use crate::time::UtcMs;

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// Waits for its turn, or is being tried.
    Pending,
    /// The receiver answered 2xx.
    Delivered,
    /// All attempts failed, or the endpoint is gone; it can be replayed.
    Dead,
    /// The format plugin said this subscriber gets none of it.
    Skipped,
}

impl DeliveryState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Delivered, Self::Dead, Self::Skipped];

    /// The name in the API and in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Skipped => "skipped",
        }
    }

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == name)
    }
}

/// One event on its way to one subscription.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The subscription.
    pub webhook: WebhookId,
    /// The event; also sent as `webhook-id`.
    pub event: EventId,
    /// The event's kind.
    pub event_type: EventKind,
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts made.
    pub attempts: u32,
    /// When the next attempt is due; absent when there is none.
    pub next_attempt_at: Option<UtcMs>,
    /// When the event was stored.
    pub created_at: UtcMs,
    /// When it got to its final state.
    pub finished_at: Option<UtcMs>,
}

/// One HTTP try.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    /// When it began.
    pub at: UtcMs,
    /// How long it took, in milliseconds.
    pub duration_ms: u32,
    /// What the receiver answered, if it did.
    pub status: Option<u16>,
    /// What went wrong, if something did.
    pub error: Option<String>,
    /// `default` when the format plugin failed and the host's own format was sent.
    pub format: String,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptEnd {
    /// 2xx.
    Accepted,
    /// 410: the endpoint is gone for good.
    Gone,
    /// Anything else; `retry_after` as far as the receiver named one.
    Failed {
        /// Not before so long from now.
        retry_after: Option<Duration>,
    },
}

/// What follows an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is delivered.
    Done,
    /// Try again after this long.
    Retry(Duration),
    /// Give it up; it stays as a dead letter.
    Dead,
}

impl AttemptEnd {
    /// What an HTTP status means for a delivery (Standard Webhooks 1.0: only 2xx is success, 410 disables).
    pub fn of_status(status: u16, retry_after: Option<Duration>) -> Self {
        match status {
            200..=299 => Self::Accepted,
            410 => Self::Gone,
            _ => Self::Failed { retry_after },
        }
    }

    /// What follows attempt number `attempt` (1 for the first). `jitter` is 0.0 to 1.0 and adds up to a fifth.
    pub fn next(&self, attempt: u32, jitter: f64, limits: &Limits) -> Next {
        match self {
            Self::Accepted => Next::Done,
            Self::Gone => Next::Dead,
            Self::Failed { retry_after } => match limits.delivery_schedule.get(attempt.saturating_sub(1) as usize) {
                None => Next::Dead,
                Some(wait) => {
                    let wait = wait.mul_f64(1.0 + 0.2 * jitter.clamp(0.0, 1.0));
                    let longest = limits.delivery_schedule.iter().max().copied().unwrap_or(wait);
                    Next::Retry(wait.max(retry_after.unwrap_or_default().min(longest)))
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILED: AttemptEnd = AttemptEnd::Failed { retry_after: None };

    #[test]
    fn a_failing_delivery_follows_the_schedule_and_then_dies() {
        let limits = Limits::default();
        let waits: Vec<_> = (1..=8).map(|n| FAILED.next(n, 0.0, &limits)).collect();
        let secs = |s| Next::Retry(Duration::from_secs(s));
        assert_eq!(
            waits,
            [secs(5), secs(300), secs(1800), secs(7200), secs(18_000), secs(36_000), secs(36_000), Next::Dead]
        );
    }

    #[test]
    fn jitter_only_lengthens_and_retry_after_is_honoured() {
        let limits = Limits::default();
        assert_eq!(FAILED.next(1, 1.0, &limits), Next::Retry(Duration::from_secs(6)));
        let told = AttemptEnd::Failed { retry_after: Some(Duration::from_secs(60)) };
        assert_eq!(told.next(1, 0.0, &limits), Next::Retry(Duration::from_secs(60)));
        let absurd = AttemptEnd::Failed { retry_after: Some(Duration::from_secs(10_000_000)) };
        assert_eq!(absurd.next(1, 0.0, &limits), Next::Retry(Duration::from_secs(36_000)));
    }

    #[test]
    fn only_2xx_is_success() {
        assert_eq!(AttemptEnd::of_status(204, None), AttemptEnd::Accepted);
        assert_eq!(AttemptEnd::of_status(410, None), AttemptEnd::Gone);
        for status in [100, 301, 302, 400, 404, 429, 500] {
            assert_eq!(AttemptEnd::of_status(status, None), FAILED, "{status}");
        }
    }
}
