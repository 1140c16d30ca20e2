//! Reporting facts to the core, with retries: most of them were acknowledged to WhatsApp before, which won't repeat them.

use std::time::Duration;

use portico_core::error::{Error, Result};
use portico_core::ports::whatsapp::Fact;

use super::Session;

/// Times the core is asked to record facts that WhatsApp won't repeat.
pub(super) const TRIES: u32 = 9;
/// Times the core is asked to record incoming messages, which WhatsApp does repeat, to a new connection.
pub(super) const INCOMING_TRIES: u32 = 4;
/// Wait after the first failure; doubled after each further one, up to the maximum.
const RETRY_WAIT: Duration = Duration::from_millis(100);
const RETRY_WAIT_MAX: Duration = Duration::from_secs(5);

/// Asks the core up to `tries` times to record `facts`, in one transaction.
///
/// Asks once only when the session is to end, since somebody waits for it; and when the failure won't pass, and some of
/// several facts may be recorded without the others.
pub(super) async fn record(session: &Session, facts: &[Fact], tries: u32) -> Result<()> {
    let mut wait = RETRY_WAIT;
    let mut attempt = 1;
    loop {
        let stopping = session.stop.is_cancelled();
        let Err(error) = session.context.inbox.take(&session.device, facts.to_vec()).await else { return Ok(()) };
        if stopping || attempt >= tries || (facts.len() > 1 && !may_pass(&error)) {
            return Err(error);
        }
        let _ = tokio::time::timeout(wait, session.stop.cancelled()).await;
        wait = (2 * wait).min(RETRY_WAIT_MAX);
        attempt += 1;
    }
}

/// Records facts or gives them up, so that one the core can't take does not hold up all others.
pub(super) async fn report(session: &Session, facts: &[Fact]) {
    if let Err(error) = record(session, facts, TRIES).await {
        lost(session, facts.len(), &error);
    }
}

pub(super) fn lost(session: &Session, count: usize, error: &Error) {
    tracing::error!(device.id = %session.device, count, error = error as &dyn std::error::Error, "the core could not record facts of a session; they are lost");
}

/// Whether asking again may help.
pub(super) fn may_pass(error: &Error) -> bool {
    matches!(error, Error::Unavailable { .. } | Error::Busy { .. })
}
