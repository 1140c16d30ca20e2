//! The one place that asks for the time: stanzas carry seconds, records carry milliseconds.
//!
//! The sandbox stands in for an outside service, so it keeps its own clock and takes none from the gateway.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "the sandbox plays an outside service and has its own clock")]
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Seconds since the Unix epoch, the unit of a stanza's `t`.
pub(crate) fn now_s() -> u64 {
    now_ms() / 1000
}
