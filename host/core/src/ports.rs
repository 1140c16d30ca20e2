//! What the core needs of the world: traits that adapters implement and the binary joins.

pub mod blobs;
pub mod compute;
pub mod keys;
pub mod outbound;
pub mod plugins;
pub mod store;
mod view;
pub mod whatsapp;

use std::time::Duration;

use crate::id::DeviceId;

pub use crate::rng::Rng;
pub use crate::time::Clock;
pub use blobs::Blobs;
pub use compute::Compute;
pub use keys::{KeyRecords, KeyWrite};
pub use outbound::Outbound;
pub use plugins::Plugins;
pub use store::{Store, Tx};
pub use whatsapp::{Inbox, WhatsApp};

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
