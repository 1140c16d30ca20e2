//! Follows one client: takes events out of its queue, in order, and reports them to the core.
//!
//! Events that wait in a row and become facts about messages are recorded in one transaction. Everything else changes the
//! session and is handled alone.

mod connection;
mod facts;
#[cfg(all(test, feature = "sandbox"))]
mod tests;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use portico_core::device::StateReason;
use portico_core::ports::whatsapp::Fact;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use whatsapp_rust::Client;
use whatsapp_rust::types::events::Event;

use super::start::RunningClient;
use super::{Session, report};
use crate::events::inbound::order::RefusedMessages;
use crate::events::signals::{self, Verdict};
use crate::events::{EventSink, SessionEvent, inbound};
use crate::groups;
use facts::Item;

/// The state of following one client.
pub(super) struct EventLoop {
    session: Arc<Session>,
    client: Arc<Client>,
    /// A stream error: the library reports it before the connection breaks, and it is the reason then.
    last_error: Option<StateReason>,
    refused: RefusedMessages,
    /// Messages were refused: nothing incoming is stored until there is a new connection, which delivers them again.
    reconnecting: bool,
}

impl EventLoop {
    pub(super) fn new(session: Arc<Session>, client: Arc<Client>) -> Self {
        Self { session, client, last_error: None, refused: RefusedMessages::default(), reconnecting: false }
    }

    /// Follows the client until it is decided how the session ends.
    pub(super) async fn run(&mut self, running: &mut RunningClient) -> Verdict {
        loop {
            tokio::select! {
                biased;
                () = self.session.stop.cancelled() => return Verdict::Stopped,
                Some(event) = running.events.recv() => {
                    let (items, next) = facts::collect(event, &mut running.events);
                    self.record(items).await;
                    if let Some(event) = next && let Some(verdict) = self.handle(event).await {
                        return verdict;
                    }
                    running.sink.notify_capacity();
                }
                () = &mut running.handle => return Verdict::Ended(signals::run_over()),
            }
        }
    }

    /// Records what still comes while the client shuts down and counts then: messages, acknowledgements, receipts. Returns
    /// when `shut_down` is cancelled and the queue is empty.
    pub(super) async fn drain(
        &mut self,
        events: &mut mpsc::Receiver<SessionEvent>,
        sink: &EventSink,
        shut_down: &CancellationToken,
    ) {
        loop {
            let next = tokio::select! {
                event = events.recv() => event,
                () = shut_down.cancelled(), if !events.is_closed() => {
                    events.close();
                    sink.notify_capacity();
                    continue;
                }
            };
            let Some(event) = next else { return };
            let (items, next) = facts::collect(event, events);
            self.record(items).await;
            if let Some(SessionEvent::Library(event)) = next {
                self.handle_message_event(&event).await;
            }
            sink.notify_capacity();
        }
    }

    /// Records facts. Incoming messages that can't be recorded are refused; other facts are given up at last.
    async fn record(&mut self, mut items: Vec<Item>) {
        self.refuse_untimely(&mut items);
        let all = facts::of(&items);
        if all.is_empty() {
            return self.confirm(items);
        }
        let has_incoming = items.iter().any(|item| item.incoming.is_some());
        let tries = if has_incoming { report::INCOMING_TRIES } else { report::TRIES };
        let Err(error) = report::record(&self.session, &all, tries).await else {
            return self.confirm(items);
        };
        if items.len() > 1 && !report::may_pass(&error) {
            // One of them may be at fault; the others must not suffer for it.
            for item in items {
                Box::pin(self.record(vec![item])).await;
            }
            return;
        }
        if has_incoming {
            tracing::error!(device.id = %self.session.device, error = &error as &dyn std::error::Error, "incoming messages can't be stored; the connection is dropped so that WhatsApp delivers them again");
            self.refuse_incoming(&mut items);
            report::report(&self.session, &facts::of(&items)).await;
        } else {
            report::lost(&self.session, all.len(), &error);
        }
    }

    fn confirm(&mut self, items: Vec<Item>) {
        for incoming in items.into_iter().filter_map(|item| item.incoming) {
            self.refused.remove(&incoming.keys);
            // The receiver is gone when the connection was torn down meanwhile; WhatsApp then delivers the messages again.
            let _ = incoming.stored.send(true);
        }
    }

    /// Refuses messages that must not be stored now, because earlier ones were refused and have not come again.
    fn refuse_untimely(&mut self, items: &mut Vec<Item>) {
        if self.refused.is_empty() && !self.reconnecting {
            return;
        }
        let batches = items.iter().filter_map(|item| item.incoming.as_ref()).map(|incoming| &*incoming.keys);
        let mut may_store = self.refused.may_store(batches).into_iter();
        let (mut kept, mut untimely) = (Vec::with_capacity(items.len()), Vec::new());
        for item in items.drain(..) {
            let is_timely = item.incoming.is_none() || (may_store.next() == Some(true) && !self.reconnecting);
            if is_timely { kept.push(item) } else { untimely.push(item) }
        }
        *items = kept;
        self.remember_refused(untimely);
    }

    /// Refuses all incoming messages among `items` and has the connection made anew; the other items are left.
    fn refuse_incoming(&mut self, items: &mut Vec<Item>) {
        let (incoming, others) = items.drain(..).partition(|item| item.incoming.is_some());
        *items = others;
        self.remember_refused(incoming);
        self.reconnect();
    }

    fn remember_refused(&mut self, items: Vec<Item>) {
        for incoming in items.into_iter().filter_map(|item| item.incoming) {
            self.refused.add(&incoming.keys);
            let _ = incoming.stored.send(false);
        }
    }

    /// Has the connection made anew, unless that is under way or the session is to end.
    fn reconnect(&mut self) {
        if !self.reconnecting && !self.session.stop.is_cancelled() {
            let client = Arc::clone(&self.client);
            tokio::spawn(async move { client.reconnect().await });
        }
        self.reconnecting = true;
    }

    /// Everything that was not acknowledged has come again by now. What was refused and did not come has been given up by
    /// WhatsApp or the library; but what was refused behind it is still there, and comes to a new connection only.
    fn redelivery_is_over(&mut self) {
        if !self.reconnecting && self.refused.clear() > 0 {
            self.reconnect();
        }
    }

    /// Handles an event that changes the session.
    async fn handle(&mut self, event: SessionEvent) -> Option<Verdict> {
        let event = match event {
            SessionEvent::Library(event) => event,
            // After a login, dialing again means that the connection before is gone, whether an event said so or not.
            SessionEvent::Dialing => {
                self.reconnecting = false;
                self.session.pairing.hide();
                self.connection_lost().await;
                return None;
            }
            SessionEvent::Incoming(_) => return None,
        };
        if self.handle_message_event(&event).await {
            return None;
        }
        match &*event {
            Event::StreamError(error) => self.last_error = signals::stream_error(error),
            Event::Disconnected(_) => self.connection_lost().await,
            Event::Connected(_) => connection::connected(&self.session, &self.client).await,
            Event::OfflineSyncCompleted(_) => self.redelivery_is_over(),
            event => {
                return connection::ended(&self.session, event).or(connection::pairing(&self.session, event).await);
            }
        }
        None
    }

    async fn connection_lost(&mut self) {
        let reason = self.last_error.take().unwrap_or_else(signals::connection_lost);
        self.session.connection_lost(reason).await;
    }

    async fn record_facts(&mut self, facts: impl IntoIterator<Item = Fact>) {
        self.record(vec![Item { facts: facts.into_iter().collect(), incoming: None }]).await;
    }

    /// Handles an event about messages that did not become an [`Item`]; says whether it was one.
    async fn handle_message_event(&mut self, event: &Event) -> bool {
        match event {
            Event::ServerAck(_) | Event::Receipt(_) => {}
            // What came through the durability hook is stored already. Newsletters and recovered messages come only here.
            Event::Messages(batch) if !batch.hook_committed => {
                let reader = inbound::Reader {
                    device: &self.session.device,
                    sealer: &self.session.context.sealer,
                    backend: self.session.backend.get().map(|backend| &**backend),
                };
                let facts = inbound::facts(&self.client, reader, &batch.messages).await;
                self.record_facts(facts).await;
            }
            Event::Messages(_) => {}
            Event::UndecryptableMessage(_) => {
                self.session.undecryptable.fetch_add(1, Ordering::Relaxed);
            }
            Event::GroupUpdate(update) => {
                let fact = groups::news::of(&self.client, update).await;
                self.record_facts(fact).await;
            }
            Event::PictureUpdate(update) => {
                let fact = groups::news::picture(&self.client, update).await;
                self.record_facts(fact).await;
            }
            _ => return false,
        }
        true
    }
}
