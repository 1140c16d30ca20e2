//! Waiting for a state, with a deadline.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long a test waits for something that is on its way. Generous: machines that run tests are busy.
pub const DEADLINE: Duration = Duration::from_secs(30);
const STEP: Duration = Duration::from_millis(20);

/// Asks `probe` until it answers `Some`.
///
/// # Panics
/// When it did not within [`DEADLINE`]; `what` is in the message.
pub async fn wait_until<T, F>(what: &str, mut probe: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(Instant::now() < end, "{what}: not within {DEADLINE:?}");
        sleep(STEP).await;
    }
}
