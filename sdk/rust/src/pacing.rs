//! The hook `pacing`: when a message may go.

use crate::bindings::portico::plugin::types::{Context, HookError};

pub use crate::bindings::exports::portico::plugin::pacing::{Decision, DeviceState, Hold, Plan, Query};

/// Says when messages may go. Pure; the host only ever waits longer than asked, never shorter.
pub trait Pacing {
    /// One decision per query, in order. Each `go` counts as sent for the queries after it.
    fn decide(ctx: &Context, device: &DeviceState, queries: &[Query]) -> Result<Vec<Decision>, HookError>;
}
