//! What the protocol library tells, on its way to the session's one task.
//!
//! The library calls handlers inside its receive path: a [`Tap`] only puts facts into a bounded channel. The task takes them
//! out in order ([`crate::session`]). Nothing is lost silently: facts are acknowledged to WhatsApp by the library without
//! asking, so the channel must never be full. When only [`RESERVE`] places are left, the connection is dropped: what the
//! library still holds fits into the reserve, WhatsApp keeps the rest and delivers it to the next connection.

pub(crate) mod inbound;
pub(crate) mod party;
pub(crate) mod signals;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use portico_core::id::DeviceId;
use tokio::sync::mpsc;
use whatsapp_rust::Client;
use whatsapp_rust::types::events::{Event, EventHandler, EventInterest, EventKind};

/// Places kept free for what is under way when the connection is dropped: the library's own queues are shorter.
const RESERVE: usize = 512;

/// Something that happened to a session.
pub(crate) enum Fact {
    /// An event of the library.
    Event(Arc<Event>),
    /// The library dials.
    Dialling,
}

/// The session's ear.
pub(crate) struct Tap {
    device: DeviceId,
    facts: mpsc::Sender<Fact>,
    reserve: usize,
    /// Known only after the tap: the client is built around it.
    client: OnceLock<Weak<Client>>,
    dropping: AtomicBool,
}

impl Tap {
    /// A tap and what comes out of it, for at most `events_max` waiting facts.
    pub(crate) fn new(device: DeviceId, events_max: usize) -> (Arc<Self>, mpsc::Receiver<Fact>) {
        let places = events_max.max(2);
        let (facts, waiting) = mpsc::channel(places);
        let reserve = RESERVE.min(places / 2);
        let tap = Self { device, facts, reserve, client: OnceLock::new(), dropping: AtomicBool::new(false) };
        (Arc::new(tap), waiting)
    }

    /// The client whose connection is dropped when too much waits.
    pub(crate) fn watch(&self, client: &Arc<Client>) {
        let _ = self.client.set(Arc::downgrade(client));
    }

    /// Queues a fact. Never waits.
    pub(crate) fn tell(&self, fact: Fact) {
        if self.facts.try_send(fact).is_err() && !self.facts.is_closed() {
            tracing::error!(device.id = %self.device, "a fact of the session was lost: more came after the connection was dropped than the reserve holds");
        }
        if self.facts.capacity() < self.reserve {
            self.drop_connection();
        }
    }

    /// Drops the connection once; the library makes it again some seconds later.
    fn drop_connection(&self) {
        let Some(client) = self.client.get().and_then(Weak::upgrade) else {
            return;
        };
        if self.dropping.swap(true, Ordering::AcqRel) {
            return;
        }
        tracing::warn!(device.id = %self.device, "too many facts wait for the core; the connection is dropped until they are worked off");
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { client.reconnect().await });
        }
    }

    /// Says that facts were worked off.
    pub(crate) fn worked_off(&self) {
        if self.dropping.load(Ordering::Acquire) && 4 * self.facts.capacity() >= 3 * self.facts.max_capacity() {
            self.dropping.store(false, Ordering::Release);
        }
    }
}

impl EventHandler for Tap {
    fn handle_event(&self, event: Arc<Event>) {
        self.tell(Fact::Event(event));
    }

    /// Only what is handled: the library then does not even build the others (history would be megabytes).
    fn interest(&self) -> EventInterest {
        EventInterest::of(&[
            EventKind::Connected,
            EventKind::Disconnected,
            EventKind::PairSuccess,
            EventKind::PairError,
            EventKind::PairPasskeyRequest,
            EventKind::PairPasskeyError,
            EventKind::PairingQrCode,
            EventKind::PairingQrCodesExhausted,
            EventKind::PairingCodeRefresh,
            EventKind::QrScannedWithoutMultidevice,
            EventKind::LoggedOut,
            EventKind::StreamReplaced,
            EventKind::StreamError,
            EventKind::ConnectFailure,
            EventKind::TemporaryBan,
            EventKind::ClientOutdated,
            EventKind::Messages,
            EventKind::Receipt,
            EventKind::ServerAck,
            EventKind::UndecryptableMessage,
        ])
    }
}
