//! The machine's clock and randomness, behind the core's ports.

use std::time::{SystemTime, UNIX_EPOCH};

use portico_core::ports::{Clock, Rng};
use portico_core::time::UtcMs;

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the Clock port's one real implementation")]
    fn now(&self) -> UtcMs {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UtcMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// The operating system's randomness, stretched by a generator fit for keys.
#[derive(Debug)]
pub struct SystemRng;

impl Rng for SystemRng {
    fn fill(&self, out: &mut [u8]) {
        rand::Rng::fill_bytes(&mut rand::rng(), out);
    }
}
