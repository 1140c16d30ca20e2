//! How outgoing messages get on: acknowledged, delivered, read, played, failed. Only steps forward count.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Message, MessageStatus, SendFailure, change};
use crate::context::Ports;
use crate::context::Write;
use crate::device::Device;
use crate::error::Result;
use crate::event::{NewEvent, raise};
use crate::id::DeviceId;
use crate::ports::whatsapp::{ReceiptKind, Step};
use crate::time::UtcMs;

/// A step of outgoing messages.
#[derive(Clone)]
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
    /// The acknowledgement that this step implies: whoever received a message got it from WhatsApp's server.
    fn implied(&self, message: &Message) -> Option<Self> {
        let received = matches!(self.status, MessageStatus::Delivered | MessageStatus::Read | MessageStatus::Played);
        let implied = received && message.status == MessageStatus::Queued;
        implied.then_some(Self { status: MessageStatus::Sent, at: self.at, error: None })
    }

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

/// Records steps in their order. Steps of messages that are not known here are passed over.
pub(crate) fn advance(tx: &mut Write<'_>, device: &Device, steps: &[Step]) -> Result<()> {
    let now = tx.now();
    let told: Vec<_> = steps.iter().map(|step| (step.whatsapp_ids(), outcome(now, step))).collect();
    record(tx, device, &told)
}

/// Records messages of a device, by WhatsApp id, that won't be sent, and why; all in one transaction.
pub async fn failed(ports: &Arc<Ports>, device: &DeviceId, failures: Vec<(String, SendFailure)>) -> Result<()> {
    let device = device.clone();
    let failed = move |tx: &mut Write<'_>| {
        let Some(device) = tx.device_load(&device)? else { return Ok(()) };
        let at = tx.now();
        let failed = |error| Progress { status: MessageStatus::Failed, at, error: Some(error) };
        let told: Vec<_> = failures.into_iter().map(|(id, error)| ([id], failed(error))).collect();
        let told: Vec<_> = told.iter().map(|(ids, progress)| (ids.as_slice(), progress.clone())).collect();
        record(tx, &device, &told)
    };
    ports.write(failed).await
}

/// What a step makes of its messages.
fn outcome(now: UtcMs, step: &Step) -> Progress {
    match step {
        Step::Acknowledged { refused: None, .. } => Progress { status: MessageStatus::Sent, at: now, error: None },
        Step::Acknowledged { refused: Some(code), .. } => {
            Progress { status: MessageStatus::Failed, at: now, error: Some(refusal(*code)) }
        }
        Step::Receipt { kind, at, .. } => {
            let status = match kind {
                ReceiptKind::Delivered => MessageStatus::Delivered,
                ReceiptKind::Read => MessageStatus::Read,
                ReceiptKind::Played => MessageStatus::Played,
            };
            // The network's clock may be ahead of ours, and what is due later than now would hold up its chat.
            Progress { status, at: (*at).min(now), error: None }
        }
    }
}

fn record(tx: &mut Write<'_>, device: &Device, told: &[(&[String], Progress)]) -> Result<()> {
    let ids: BTreeSet<&String> = told.iter().flat_map(|(ids, _)| *ids).collect();
    let ids: Vec<String> = ids.into_iter().cloned().collect();
    let mut messages = tx.message_find_sent(&device.id, &ids)?;
    let mut changed = BTreeSet::new();
    let mut told_of = Vec::new();
    for (ids, progress) in told {
        for message in messages.iter_mut().filter(|m| ids.contains(&m.whatsapp_id)) {
            // A receipt may overtake the server's acknowledgement, which it implies. Subscribers count on `message.sent`
            // coming first.
            if let Some(implied) = progress.implied(message)
                && implied.apply(message) == Effect::Forward
            {
                told_of.extend(meaning(device, message)?);
            }
            match progress.apply(message) {
                Effect::Forward => told_of.extend(meaning(device, message)?),
                Effect::Dated => {}
                Effect::Nothing => continue,
            }
            changed.insert(message.id.clone());
        }
    }
    messages.retain(|m| changed.contains(&m.id));
    if messages.is_empty() {
        return Ok(());
    }
    tx.message_progress(&messages)?;
    tx.told_of(messages.iter().map(|m| &m.id));
    let mut events = Vec::with_capacity(told_of.len());
    for told in told_of {
        match told {
            Told::Progress(event) => events.push(*event),
            Told::Change(row) => events.extend(change::take_effect(tx, device, &row)?),
        }
    }
    raise::all(tx, &events).map(drop)
}

/// What a step of a message means to others.
enum Told {
    /// The message itself got on.
    Progress(Box<NewEvent>),
    /// The row changes another message, from now on.
    Change(Box<Message>),
}

fn meaning(device: &Device, message: &Message) -> Result<Option<Told>> {
    if message.status == MessageStatus::Sent && message.about().is_some() {
        return Ok(Some(Told::Change(Box::new(message.clone()))));
    }
    Ok(NewEvent::message(device, message)?.map(|event| Told::Progress(Box::new(event))))
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
            context: crate::message::MessageContext::default(),
            state: crate::message::MessageState::default(),
        }
    }

    #[test]
    fn a_receipt_that_overtakes_the_acknowledgement_implies_it() {
        let step = |status, at| Progress { status, at: UtcMs(at), error: None };
        let mut message = message(MessageStatus::Queued);
        let implied = step(MessageStatus::Delivered, 20).implied(&message).expect("nobody acknowledged it yet");
        assert_eq!(implied.apply(&mut message), Effect::Forward);
        assert_eq!(message.status, MessageStatus::Sent);
        assert!(step(MessageStatus::Delivered, 20).implied(&message).is_none(), "it is acknowledged now");
        assert_eq!(step(MessageStatus::Delivered, 20).apply(&mut message), Effect::Forward);
        assert_eq!(step(MessageStatus::Sent, 21).apply(&mut message), Effect::Nothing, "told already");
        assert_eq!((message.times.sent, message.times.delivered), (Some(UtcMs(20)), Some(UtcMs(20))));
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
