//! How outgoing messages get on: acknowledged, delivered, read, played, failed. Only steps forward count.

use std::collections::BTreeSet;

use super::{Message, MessageStatus, SendFailure};
use crate::cx::Core;
use crate::error::Result;
use crate::event::NewEvent;
use crate::id::DeviceId;
use crate::ports::link::{ReceiptKind, Step};
use crate::time::UtcMs;

/// A step of outgoing messages.
#[derive(Clone)]
struct Progress {
    status: MessageStatus,
    at: UtcMs,
    /// Why, for `failed`.
    error: Option<SendFailure>,
}

impl Progress {
    fn apply(self, message: &mut Message) {
        let at = Some(self.at);
        let times = &mut message.times;
        match self.status {
            MessageStatus::Sent => times.sent = at,
            MessageStatus::Delivered => times.delivered = at,
            MessageStatus::Read => times.read = at,
            MessageStatus::Played => times.played = at,
            MessageStatus::Failed => times.failed = at,
            MessageStatus::Queued | MessageStatus::Received => {}
        }
        message.status = self.status;
        message.error = self.error;
    }
}

/// Records steps in their order, in one transaction. Steps of messages that are not known here are passed over.
pub async fn advance(core: &Core, device: &DeviceId, steps: &[Step]) -> Result<()> {
    let told: Vec<_> = steps.iter().map(|step| (step.whatsapp_ids(), outcome(core, step))).collect();
    record(core, device, &told).await
}

/// A message won't be sent.
pub async fn failed(core: &Core, message: &Message, error: SendFailure) -> Result<()> {
    let progress = Progress { status: MessageStatus::Failed, at: core.now(), error: Some(error) };
    record(core, &message.device, &[(std::slice::from_ref(&message.whatsapp_id), progress)]).await
}

/// What a step makes of its messages.
fn outcome(core: &Core, step: &Step) -> Progress {
    match step {
        Step::Acknowledged { refused: None, .. } => {
            Progress { status: MessageStatus::Sent, at: core.now(), error: None }
        }
        Step::Acknowledged { refused: Some(code), .. } => {
            Progress { status: MessageStatus::Failed, at: core.now(), error: Some(refusal(*code)) }
        }
        Step::Receipt { kind, at, .. } => {
            let status = match kind {
                ReceiptKind::Delivered => MessageStatus::Delivered,
                ReceiptKind::Read => MessageStatus::Read,
                ReceiptKind::Played => MessageStatus::Played,
            };
            Progress { status, at: *at, error: None }
        }
    }
}

async fn record(core: &Core, device: &DeviceId, told: &[(&[String], Progress)]) -> Result<()> {
    let ids: BTreeSet<&String> = told.iter().flat_map(|(ids, _)| *ids).collect();
    let ids: Vec<String> = ids.into_iter().cloned().collect();
    let mut tx = core.store.write().await?;
    let Some(device) = tx.device_load(device).await? else { return Ok(()) };
    let mut messages = tx.message_find_sent(&device.id, &ids).await?;
    let mut changed = BTreeSet::new();
    let mut events = Vec::new();
    for (ids, progress) in told {
        for message in messages.iter_mut().filter(|m| ids.contains(&m.whatsapp_id)) {
            if is_forward(message.status, progress.status) {
                progress.clone().apply(message);
                changed.insert(message.id.clone());
                events.extend(NewEvent::message(&device, message)?);
            }
        }
    }
    messages.retain(|m| changed.contains(&m.id));
    if messages.is_empty() {
        return Ok(());
    }
    tx.message_progress(&messages).await?;
    tx.event_raise(&events).await?;
    tx.commit().await?;
    core.bell.events_stored();
    Ok(())
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
