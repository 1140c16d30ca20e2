//! How outgoing messages get on: acknowledged, delivered, read, played, failed. Only steps forward count.

use std::collections::BTreeSet;

use super::{Message, MessageStatus, SendFailure};
use crate::context::Ports;
use crate::device::Device;
use crate::error::Result;
use crate::event::NewEvent;
use crate::ports::Tx;
use crate::ports::whatsapp::{ReceiptKind, Step};
use crate::time::UtcMs;

/// A step of outgoing messages.
struct Progress {
    status: MessageStatus,
    at: UtcMs,
    /// Why, for `failed`.
    error: Option<SendFailure>,
}

/// What a step did to a message.
#[derive(Debug, PartialEq)]
enum Effect {
    /// It got on; that is an event.
    Forward,
    /// It had got further already, and now it is known when it was there: a receipt may overtake the acknowledgement.
    Dated,
    Nothing,
}

impl Progress {
    fn apply(&self, message: &mut Message) -> Effect {
        let before = message.status;
        let forward = is_forward(before, self.status);
        let passed = before > self.status && before <= MessageStatus::Played;
        match time_of(message, self.status) {
            Some(time) if forward || (passed && time.is_none()) => *time = Some(self.at),
            _ => return Effect::Nothing,
        }
        if !forward {
            return Effect::Dated;
        }
        message.status = self.status;
        message.error.clone_from(&self.error);
        Effect::Forward
    }
}

/// Where the time of that step stands; the two statuses that are no steps have none.
fn time_of(message: &mut Message, status: MessageStatus) -> Option<&mut Option<UtcMs>> {
    let times = &mut message.times;
    match status {
        MessageStatus::Sent => Some(&mut times.sent),
        MessageStatus::Delivered => Some(&mut times.delivered),
        MessageStatus::Read => Some(&mut times.read),
        MessageStatus::Played => Some(&mut times.played),
        MessageStatus::Failed => Some(&mut times.failed),
        MessageStatus::Queued | MessageStatus::Received => None,
    }
}

/// Records steps in `tx`, in their order. Steps of messages that are not known here are passed over.
pub(crate) async fn advance(ports: &Ports, tx: &mut dyn Tx, device: &Device, steps: &[Step]) -> Result<()> {
    let told: Vec<_> = steps.iter().map(|step| (step.whatsapp_ids(), outcome(ports, step))).collect();
    record(tx, device, &told).await
}

/// A message won't be sent.
pub async fn failed(ports: &Ports, message: &Message, error: SendFailure) -> Result<()> {
    let progress = Progress { status: MessageStatus::Failed, at: ports.now(), error: Some(error) };
    let mut tx = ports.store.write().await?;
    let Some(device) = tx.device_load(&message.device).await? else { return Ok(()) };
    record(&mut *tx, &device, &[(std::slice::from_ref(&message.whatsapp_id), progress)]).await?;
    // Also when nothing changed: earlier steps may not be durable yet, and committing waits for them.
    tx.commit().await?;
    ports.waker.events_stored();
    Ok(())
}

/// What a step makes of its messages.
fn outcome(ports: &Ports, step: &Step) -> Progress {
    match step {
        Step::Acknowledged { refused: None, .. } => {
            Progress { status: MessageStatus::Sent, at: ports.now(), error: None }
        }
        Step::Acknowledged { refused: Some(code), .. } => {
            Progress { status: MessageStatus::Failed, at: ports.now(), error: Some(refusal(*code)) }
        }
        Step::Receipt { kind, at, .. } => {
            let status = match kind {
                ReceiptKind::Delivered => MessageStatus::Delivered,
                ReceiptKind::Read => MessageStatus::Read,
                ReceiptKind::Played => MessageStatus::Played,
            };
            // The network's clock may be ahead of ours, and what is due later than now would hold up its chat.
            Progress { status, at: (*at).min(ports.now()), error: None }
        }
    }
}

async fn record(tx: &mut dyn Tx, device: &Device, told: &[(&[String], Progress)]) -> Result<()> {
    let ids: BTreeSet<&String> = told.iter().flat_map(|(ids, _)| *ids).collect();
    let ids: Vec<String> = ids.into_iter().cloned().collect();
    let mut messages = tx.message_find_sent(&device.id, &ids).await?;
    let mut changed = BTreeSet::new();
    let mut events = Vec::new();
    for (ids, progress) in told {
        for message in messages.iter_mut().filter(|m| ids.contains(&m.whatsapp_id)) {
            let effect = progress.apply(message);
            if effect != Effect::Nothing {
                changed.insert(message.id.clone());
            }
            if effect == Effect::Forward {
                events.extend(NewEvent::message(device, message)?);
            }
        }
    }
    messages.retain(|m| changed.contains(&m.id));
    if messages.is_empty() {
        return Ok(());
    }
    tx.message_progress(&messages).await?;
    tx.event_raise(&events).await.map(drop)
}

/// Whether `to` is a step forward from `from`. A message can only fail while nobody has it.
fn is_forward(from: MessageStatus, to: MessageStatus) -> bool {
    match (from, to) {
        (MessageStatus::Received | MessageStatus::Failed, _) => false,
        (from, MessageStatus::Failed) => from <= MessageStatus::Sent,
        (from, to) => to > from && to <= MessageStatus::Played,
    }
}

/// What a refusal by WhatsApp's server means. 463 and 479 are those whatsapp-rust 0.7 knows itself.
fn refusal(code: u16) -> SendFailure {
    let (name, text) = match code {
        463 => (
            "reachout_timelock",
            "WhatsApp does not let this account write to people who never wrote to it at the moment; answers in open chats still go",
        ),
        479 => ("malformed", "WhatsApp did not accept the message's form"),
        _ => ("refused", "WhatsApp refused the message"),
    };
    SendFailure { code: name.to_owned(), text: format!("{text} (code {code})") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::DeviceId;

    fn message(status: MessageStatus) -> Message {
        Message {
            id: crate::id::MessageId::new(1, 1),
            tenant: crate::id::TenantId::new(1, 1),
            device: DeviceId::new(1, 1),
            direction: crate::message::Direction::Out,
            chat: crate::address::Party::single("15550100002@s.whatsapp.net"),
            sender: None,
            sender_name: None,
            whatsapp_id: "3EB01".to_owned(),
            content: crate::message::Content::Text { text: "hello".to_owned() },
            status,
            error: None,
            created_at: UtcMs(1),
            timestamp: UtcMs(1),
            times: crate::message::StatusTimes::default(),
        }
    }

    #[test]
    fn an_acknowledgement_that_was_overtaken_still_dates_its_step() {
        let step = |status, at| Progress { status, at: UtcMs(at), error: None };
        let mut message = message(MessageStatus::Queued);
        assert_eq!(step(MessageStatus::Delivered, 20).apply(&mut message), Effect::Forward);
        assert_eq!(step(MessageStatus::Sent, 21).apply(&mut message), Effect::Dated);
        assert_eq!(step(MessageStatus::Sent, 22).apply(&mut message), Effect::Nothing, "once");
        assert_eq!(message.status, MessageStatus::Delivered);
        assert_eq!((message.times.sent, message.times.delivered), (Some(UtcMs(21)), Some(UtcMs(20))));
    }

    #[test]
    fn what_failed_or_came_in_takes_no_step() {
        for status in [MessageStatus::Failed, MessageStatus::Received] {
            let mut message = message(status);
            let sent = Progress { status: MessageStatus::Sent, at: UtcMs(2), error: None };
            assert_eq!(sent.apply(&mut message), Effect::Nothing, "{status:?}");
            assert_eq!(message.times.sent, None);
        }
    }

    #[test]
    fn receipts_that_overtake_each_other_never_lead_back() {
        use MessageStatus as S;
        assert!(is_forward(S::Queued, S::Delivered));
        assert!(is_forward(S::Delivered, S::Read));
        assert!(!is_forward(S::Read, S::Delivered));
        assert!(!is_forward(S::Read, S::Failed));
        assert!(is_forward(S::Sent, S::Failed));
        assert!(!is_forward(S::Failed, S::Sent));
        assert!(!is_forward(S::Received, S::Read));
    }
}
