//! What the protocol library tells, on its way to the session's one task.
//!
//! The library calls handlers inside its receive path: a [`EventSink`] only puts facts into a bounded channel. The task takes them
//! out in order ([`crate::session`]). Nothing is lost silently: the library acknowledges most of what it tells before
//! anybody handled it, so the channel must never be full. Therefore reading from the socket waits ([`EventSink::room`]) while
//! fewer than [`RESERVE`] places are free, and what the library has read before that fits into the reserve. A core that
//! stands still for long thus loses the connection, and WhatsApp delivers the rest to the next one.

pub(crate) mod inbound;
pub(crate) mod party;
pub(crate) mod signals;

use std::sync::Arc;

use portico_core::id::DeviceId;
use tokio::sync::{Notify, mpsc};
use whatsapp_rust::types::events::{Event, EventHandler, EventInterest, EventKind};

/// Places kept free for what the library has read already: one read of the socket and its own short queues.
const RESERVE: usize = 512;

/// Something that happened to a session.
pub(crate) enum Fact {
    /// An event of the library.
    Event(Arc<Event>),
    /// The library dials.
    Dialling,
}

/// The session's ear.
pub(crate) struct EventSink {
    device: DeviceId,
    facts: mpsc::Sender<Fact>,
    reserve: usize,
    relief: Notify,
}

impl EventSink {
    /// A sink and what comes out of it, for at most `events_max` waiting facts.
    pub(crate) fn new(device: DeviceId, events_max: usize) -> (Arc<Self>, mpsc::Receiver<Fact>) {
        let places = events_max.max(2);
        let (facts, waiting) = mpsc::channel(places);
        let reserve = RESERVE.min(places / 2);
        (Arc::new(Self { device, facts, reserve, relief: Notify::new() }), waiting)
    }

    /// Queues a fact. Never waits.
    pub(crate) fn tell(&self, fact: Fact) {
        if self.facts.try_send(fact).is_err() && !self.facts.is_closed() {
            tracing::error!(device.id = %self.device, "a fact of the session was lost: one read of the socket brought more than the reserve holds; raise `events_max`");
        }
    }

    /// Waits until more may be read from the socket.
    pub(crate) async fn room(&self) {
        loop {
            let mut relief = std::pin::pin!(self.relief.notified());
            // Registered before looking, so that no relief in between is missed.
            relief.as_mut().enable();
            if self.has_room() {
                return;
            }
            relief.await;
        }
    }

    /// Says that facts were taken out, or that nobody takes them any more.
    pub(crate) fn worked_off(&self) {
        if self.has_room() {
            self.relief.notify_waiters();
        }
    }

    fn has_room(&self) -> bool {
        self.facts.capacity() >= self.reserve || self.facts.is_closed()
    }
}

impl EventHandler for EventSink {
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

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn reading_waits_while_only_the_reserve_is_left() {
        let (sink, mut facts) = EventSink::new(DeviceId::new(1, 1), 8);
        for _ in 0..5 {
            assert!(sink.room().now_or_never().is_some());
            sink.tell(Fact::Dialling);
        }
        assert!(sink.room().now_or_never().is_none(), "three places are left of a reserve of four");
        let waiting = sink.room();
        facts.recv().await;
        sink.worked_off();
        waiting.await;
        sink.tell(Fact::Dialling);
        facts.close();
        assert!(sink.room().now_or_never().is_some(), "nobody waits for a session that is over");
    }
}
