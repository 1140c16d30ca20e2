//! The event queue of a session: everything the protocol library reports, in one order.
//!
//! The library calls event handlers inside its receive path, so an [`EventSink`] only puts events into a bounded queue; the
//! session's task takes them out one after the other ([`crate::session`]). Incoming messages use the same queue, although they
//! come through the library's durability hook, which waits until they are stored ([`inbound`]): so a receipt can't overtake a
//! message that came before it.
//!
//! Most events were acknowledged to WhatsApp before anybody handled them, so the queue must never be full. Therefore the socket
//! is not read ([`EventSink::wait_for_capacity`]) while fewer than [`RESERVE`] places are free, and what the library had read
//! before fits into the reserve. A core that stands still for long thus loses the connection, and WhatsApp delivers the rest to
//! the next one.

pub(crate) mod inbound;
pub(crate) mod party;
pub(crate) mod signals;

use std::sync::Arc;

use portico_core::id::DeviceId;
use tokio::sync::{Notify, mpsc};
use whatsapp_rust::types::events::{Event, EventHandler, EventInterest, EventKind};

use inbound::IncomingBatch;

/// Places kept free for what the library has read already: one read of the socket and its own short queues.
const RESERVE: usize = 512;

/// An entry of the queue.
pub(crate) enum SessionEvent {
    /// An event of the library.
    Library(Arc<Event>),
    /// The library is about to dial.
    Dialing,
    /// Messages that the durability hook wants stored.
    Incoming(IncomingBatch),
}

/// The writing end of a session's event queue.
pub(crate) struct EventSink {
    device: DeviceId,
    queue: mpsc::Sender<SessionEvent>,
    reserve: usize,
    capacity_freed: Notify,
}

impl EventSink {
    /// A sink and the reading end of its queue, which holds at most `events_max` events.
    pub(crate) fn new(device: DeviceId, events_max: usize) -> (Arc<Self>, mpsc::Receiver<SessionEvent>) {
        let places = events_max.max(2);
        let (queue, events) = mpsc::channel(places);
        let reserve = RESERVE.min(places / 2);
        (Arc::new(Self { device, queue, reserve, capacity_freed: Notify::new() }), events)
    }

    /// Queues an event. Never waits.
    pub(crate) fn push(&self, event: SessionEvent) {
        if self.queue.try_send(event).is_err() && !self.queue.is_closed() {
            tracing::error!(device.id = %self.device, "an event of the session was lost: one read of the socket brought more than the reserve holds; raise `events_max`");
        }
    }

    /// Queues messages, and waits for a free place if there is none: unlike events they have not been acknowledged. False when
    /// the session is over.
    pub(crate) async fn push_incoming(&self, batch: IncomingBatch) -> bool {
        self.queue.send(SessionEvent::Incoming(batch)).await.is_ok()
    }

    /// Waits until more may be read from the socket.
    pub(crate) async fn wait_for_capacity(&self) {
        loop {
            let mut freed = std::pin::pin!(self.capacity_freed.notified());
            // Registered before the check, so that a notification between the check and the wait is not missed.
            freed.as_mut().enable();
            if self.has_capacity() {
                return;
            }
            freed.await;
        }
    }

    /// Tells waiting readers that events were taken out, or that nobody takes them any more.
    pub(crate) fn notify_capacity(&self) {
        if self.has_capacity() {
            self.capacity_freed.notify_waiters();
        }
    }

    fn has_capacity(&self) -> bool {
        self.queue.capacity() >= self.reserve || self.queue.is_closed()
    }
}

impl EventHandler for EventSink {
    fn handle_event(&self, event: Arc<Event>) {
        self.push(SessionEvent::Library(event));
    }

    /// Only what is handled: the library does not even build the others (a history would be megabytes).
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
            EventKind::OfflineSyncCompleted,
            EventKind::GroupUpdate,
            EventKind::PictureUpdate,
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn the_socket_is_not_read_while_only_the_reserve_is_left() {
        let (sink, mut events) = EventSink::new(DeviceId::new(1, 1), 8);
        for _ in 0..5 {
            assert!(sink.wait_for_capacity().now_or_never().is_some());
            sink.push(SessionEvent::Dialing);
        }
        assert!(sink.wait_for_capacity().now_or_never().is_none(), "three places are left of a reserve of four");
        let waiting = sink.wait_for_capacity();
        events.recv().await;
        sink.notify_capacity();
        waiting.await;
        sink.push(SessionEvent::Dialing);
        events.close();
        assert!(sink.wait_for_capacity().now_or_never().is_some(), "nobody waits for a session that is over");
    }
}
