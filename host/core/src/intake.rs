//! Records the facts that sessions report. Each fact goes to the operation of its noun; all facts of one call share one
//! transaction.

use std::sync::Arc;

use async_trait::async_trait;

use crate::context::Ports;
use crate::context::Write;
use crate::device::{Signal, session};
use crate::error::Result;
use crate::event::NewEvent;
use crate::group::news;
use crate::id::DeviceId;
use crate::message::{change, progress, receive};
use crate::model::group::GroupUpdate;
use crate::ports::Inbox;
use crate::ports::whatsapp::{Account, Fact, Incoming, IncomingChange, QrCode, Step};

/// The core as sessions see it.
pub struct Intake(pub Arc<Ports>);

#[async_trait]
impl Inbox for Intake {
    async fn take(&self, device: &DeviceId, facts: Vec<Fact>) -> Result<()> {
        let device = device.clone();
        self.0.write(move |tx| record(tx, &device, facts)).await
    }

    async fn qr(&self, device: &DeviceId, code: &QrCode) -> Result<()> {
        if self.0.live.is_idle() {
            return Ok(());
        }
        let id = device.clone();
        if let Some(device) = self.0.read(move |tx| tx.device_load(&id)).await? {
            let event = NewEvent::device_qr(&device, &code.text, code.expires_at, self.0.now());
            self.0.live.tell(&event.unstored());
        }
        Ok(())
    }
}

fn record(tx: &mut Write<'_>, id: &DeviceId, facts: Vec<Fact>) -> Result<()> {
    for run in runs(facts) {
        // Loaded anew for each run: a fact about the session changes the device.
        let Some(device) = tx.device_load(id)? else {
            // The device was deleted: nobody is left to own what still comes for it.
            return Ok(());
        };
        match run {
            Run::Messages(messages) => receive::receive(tx, &device, messages)?,
            Run::Change(change) => change::receive(tx, &device, change)?,
            Run::Steps(steps) => progress::advance(tx, &device, &steps)?,
            Run::Groups(updates) => news::record(tx, &device, &updates)?,
            Run::Session(signal, account) => session::signal_in(tx, id, signal, account).map(drop)?,
        }
    }
    Ok(())
}

/// Neighbouring facts of one kind: they are recorded with one statement each instead of one per fact.
enum Run {
    Messages(Vec<Incoming>),
    Change(IncomingChange),
    Steps(Vec<Step>),
    Groups(Vec<GroupUpdate>),
    Session(Signal, Option<Account>),
}

/// Groups neighbours of one kind and keeps the order.
fn runs(facts: Vec<Fact>) -> Vec<Run> {
    let mut runs = Vec::new();
    for fact in facts {
        match (fact, runs.last_mut()) {
            (Fact::Message(message), Some(Run::Messages(messages))) => messages.push(message),
            (Fact::Message(message), _) => runs.push(Run::Messages(vec![message])),
            (Fact::Change(change), _) => runs.push(Run::Change(change)),
            (Fact::Progress(step), Some(Run::Steps(steps))) => steps.push(step),
            (Fact::Progress(step), _) => runs.push(Run::Steps(vec![step])),
            (Fact::Group(update), Some(Run::Groups(updates))) => updates.push(update),
            (Fact::Group(update), _) => runs.push(Run::Groups(vec![update])),
            (Fact::Session { signal, account }, _) => runs.push(Run::Session(signal, account)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Party;
    use crate::message::{Content, MessageContext};
    use crate::time::UtcMs;

    fn message(id: &str) -> Fact {
        let chat = Party::single("15550100002@s.whatsapp.net");
        Fact::Message(Incoming {
            whatsapp_id: id.to_owned(),
            sender: Some(chat.clone()),
            chat,
            sender_name: None,
            timestamp: UtcMs(1),
            content: Content::Text { text: "hello".to_owned() },
            context: MessageContext::default(),
        })
    }

    fn acknowledged(id: &str) -> Fact {
        Fact::Progress(Step::Acknowledged { whatsapp_id: id.to_owned(), refused: None })
    }

    #[test]
    fn neighbours_are_recorded_together_and_the_order_stays() {
        let login = Fact::Session { signal: Signal::LoggedIn, account: None };
        let facts = vec![acknowledged("A"), acknowledged("B"), login, message("C"), message("D"), acknowledged("E")];
        let shapes: Vec<_> = runs(facts)
            .iter()
            .map(|run| match run {
                Run::Messages(messages) => ("messages", messages.len()),
                Run::Change(_) => ("change", 1),
                Run::Steps(steps) => ("steps", steps.len()),
                Run::Groups(updates) => ("groups", updates.len()),
                Run::Session(..) => ("session", 1),
            })
            .collect();
        assert_eq!(shapes, [("steps", 2), ("session", 1), ("messages", 2), ("steps", 1)]);
    }
}
