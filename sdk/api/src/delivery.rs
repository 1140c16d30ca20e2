//! Deliveries: one event on its way to one webhook.

use serde::{Deserialize, Serialize};

use crate::{EventType, Timestamp};

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
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

/// One event on its way to one subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Delivery {
    /// Its id.
    pub id: String,
    /// The subscription.
    pub webhook: String,
    /// The event; also sent as `webhook-id`.
    pub event: String,
    /// The event's kind.
    pub event_type: EventType,
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts made.
    pub attempts: u32,
    /// When the next attempt is due; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_attempt_at: Option<Timestamp>,
    /// When the event was stored.
    pub created_at: Timestamp,
    /// When it got to its final state.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub finished_at: Option<Timestamp>,
}

/// One HTTP try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    /// When it began.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: u32,
    /// What the receiver answered, if it did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<u16>,
    /// What went wrong, if something did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// `default` when the format plugin failed and the host's own format was sent.
    pub format: String,
}

/// A delivery with everything that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeliveryWithAttempts {
    /// The delivery.
    #[serde(flatten)]
    pub delivery: Delivery,
    /// Every attempt, oldest first.
    pub attempt_log: Vec<Attempt>,
}

/// Which dead letters are replayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReplaySpan {
    /// Events stored at this time or later.
    pub from: Timestamp,
    /// Events stored at this time or earlier.
    pub to: Timestamp,
}

/// How many deliveries are sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Replayed {
    /// How many.
    pub count: u64,
}
