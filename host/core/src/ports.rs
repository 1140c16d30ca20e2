//! What the core needs of the world: traits that adapters implement and the binary joins.

pub mod keys;
pub mod outbound;
pub mod plugins;
pub mod store;
mod view;
pub mod whatsapp;

use std::fmt::Debug;
use std::time::Duration;

use crate::id::DeviceId;
use crate::time::UtcMs;

pub use keys::{KeyRecords, KeyWrite};
pub use outbound::Outbound;
pub use plugins::Plugins;
pub use store::{Store, Tx};
pub use whatsapp::{Inbox, WhatsApp};

/// The time. Tests give a fixed one.
pub trait Clock: Send + Sync + Debug {
    /// Now.
    fn now(&self) -> UtcMs;
}

/// Randomness good enough for keys. Tests give a fixed one.
pub trait Rng: Send + Sync {
    /// Fills `out` with random bytes.
    fn fill(&self, out: &mut [u8]);

    /// 128 random bits, for ids.
    fn bits(&self) -> u128 {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        u128::from_be_bytes(bytes)
    }

    /// A number from 0.0 (included) to 1.0 (excluded), for jitter.
    fn unit(&self) -> f64 {
        let mut bytes = [0; 4];
        self.fill(&mut bytes);
        f64::from(u32::from_be_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
    }
}

/// What tasks wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Events, and with them maybe deliveries, were stored.
    Events,
    /// This device has messages to send, or can send again.
    Outgoing(DeviceId),
    /// This device's session is to be started, stopped or restarted.
    Session {
        /// The device.
        device: DeviceId,
        /// Not before this long from now.
        after: Duration,
    },
}

/// Tells waiting tasks that there is work, after a commit. A lost wake-up costs time, never work: every task also runs on a
/// timer.
pub trait Waker: Send + Sync {
    /// Wakes the tasks that wait for `topic`.
    fn wake(&self, topic: Topic);
}
