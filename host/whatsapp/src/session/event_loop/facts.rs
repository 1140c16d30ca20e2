//! Events that become facts about messages.

use portico_core::ports::whatsapp::{Fact, ReceiptKind, Step};
use portico_core::time::UtcMs;
use tokio::sync::{mpsc, oneshot};
use whatsapp_rust::types::events::{Event, Receipt, ServerAck};
use whatsapp_rust::types::presence::ReceiptType;

use crate::events::SessionEvent;
use crate::events::inbound::IncomingBatch;
use crate::events::inbound::order::MessageKey;

/// Facts recorded in one transaction, more or less: a batch of incoming messages is not divided.
const FACTS_MAX: usize = 64;
/// The code reported for a refusal whose code is not a number.
const UNKNOWN_REFUSAL: u16 = 500;

/// One event as facts.
pub(super) struct Item {
    pub(super) facts: Vec<Fact>,
    /// For messages of the durability hook, which waits until they are stored.
    pub(super) incoming: Option<WaitingHook>,
}

/// A call of the durability hook that waits for its answer.
pub(super) struct WaitingHook {
    pub(super) keys: Vec<MessageKey>,
    pub(super) stored: oneshot::Sender<bool>,
}

/// The facts of all items, in order.
pub(super) fn of(items: &[Item]) -> Vec<Fact> {
    items.iter().flat_map(|item| item.facts.iter().cloned()).collect()
}

/// Takes out the events that wait in a row from `first` on and become facts. Also gives the event behind them, if it was
/// taken out to see what it is.
pub(super) fn collect(
    first: SessionEvent,
    events: &mut mpsc::Receiver<SessionEvent>,
) -> (Vec<Item>, Option<SessionEvent>) {
    let (mut items, mut count) = (Vec::new(), 0);
    let mut event = first;
    loop {
        let item = match item(event) {
            Ok(item) => item,
            Err(other) => return (items, Some(other)),
        };
        count += item.facts.len();
        items.push(item);
        if count >= FACTS_MAX {
            return (items, None);
        }
        match events.try_recv() {
            Ok(next) => event = next,
            Err(_) => return (items, None),
        }
    }
}

fn item(event: SessionEvent) -> Result<Item, SessionEvent> {
    let step = match event {
        SessionEvent::Incoming(IncomingBatch { keys, facts, stored }) => {
            return Ok(Item { facts, incoming: Some(WaitingHook { keys, stored }) });
        }
        SessionEvent::Library(ref event) => match &**event {
            Event::ServerAck(ack) => acknowledged(ack),
            Event::Receipt(receipt) => received(receipt),
            _ => None,
        },
        SessionEvent::Dialing => None,
    };
    match step {
        Some(step) => Ok(Item { facts: vec![Fact::Progress(step)], incoming: None }),
        None => Err(event),
    }
}

fn acknowledged(ack: &ServerAck) -> Option<Step> {
    if ack.class.as_deref() != Some("message") {
        return None;
    }
    let refused = ack.error.as_deref().map(|code| code.parse().unwrap_or(UNKNOWN_REFUSAL));
    Some(Step::Acknowledged { whatsapp_id: ack.id.to_string(), refused })
}

fn received(receipt: &Receipt) -> Option<Step> {
    let kind = match receipt.r#type {
        ReceiptType::Delivered => ReceiptKind::Delivered,
        ReceiptType::Read => ReceiptKind::Read,
        ReceiptType::Played => ReceiptKind::Played,
        _ => return None,
    };
    // A receipt of another device of the own account says nothing about the recipient.
    if receipt.source.is_from_me || receipt.message_ids.is_empty() {
        return None;
    }
    let whatsapp_ids = receipt.message_ids.iter().map(ToString::to_string).collect();
    Some(Step::Receipt { whatsapp_ids, kind, at: UtcMs(receipt.timestamp.timestamp_millis()) })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn acknowledged(n: usize) -> SessionEvent {
        let ack = ServerAck::builder().id(format!("3EB0{n}")).class("message".to_owned()).build();
        SessionEvent::Library(Arc::new(Event::ServerAck(ack)))
    }

    fn incoming() -> SessionEvent {
        let keys = vec![MessageKey { chat: "a".to_owned(), id: "1".to_owned() }];
        SessionEvent::Incoming(IncomingBatch { keys, facts: Vec::new(), stored: oneshot::channel().0 })
    }

    fn queue(events: impl IntoIterator<Item = SessionEvent>) -> mpsc::Receiver<SessionEvent> {
        let (sender, receiver) = mpsc::channel(4 * FACTS_MAX);
        events.into_iter().for_each(|event| assert!(sender.try_send(event).is_ok(), "a place is free"));
        receiver
    }

    #[test]
    fn facts_that_wait_in_a_row_are_taken_together_and_in_order() {
        let mut events = queue([incoming(), acknowledged(2), SessionEvent::Dialing, acknowledged(3)]);
        let (items, next) = collect(acknowledged(0), &mut events);
        assert_eq!(items.iter().map(|item| item.incoming.is_some()).collect::<Vec<_>>(), [false, true, false]);
        assert!(matches!(next, Some(SessionEvent::Dialing)), "what ends the row comes out with it");
        let first = events.try_recv().expect("the row behind is untouched");
        let (items, next) = collect(first, &mut events);
        let facts = of(&items);
        assert!(
            matches!(&facts[..], [Fact::Progress(Step::Acknowledged { whatsapp_id, refused: None })] if whatsapp_id == "3EB03")
        );
        assert!(next.is_none());
    }

    #[test]
    fn a_row_has_its_limit() {
        let mut events = queue((0..FACTS_MAX + 5).map(acknowledged));
        let first = events.try_recv().expect("many wait");
        let (items, next) = collect(first, &mut events);
        assert_eq!((items.len(), next.is_none()), (FACTS_MAX, true));
        assert_eq!(events.len(), 5);
    }

    #[test]
    fn an_event_that_is_no_fact_comes_out_alone() {
        let mut events = queue([acknowledged(1)]);
        let (items, next) = collect(SessionEvent::Dialing, &mut events);
        assert!(items.is_empty() && matches!(next, Some(SessionEvent::Dialing)));
        assert_eq!(events.len(), 1);
    }
}
