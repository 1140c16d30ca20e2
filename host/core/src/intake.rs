//! Records the facts that sessions report. Each fact goes to the operation of its noun; all facts of one call share one
//! transaction.

use std::sync::Arc;

use async_trait::async_trait;

use crate::context::Ports;
use crate::device::session;
use crate::error::Result;
use crate::id::DeviceId;
use crate::message::{progress, receive};
use crate::ports::Inbox;
use crate::ports::whatsapp::{Fact, Incoming, Step};

/// The core as sessions see it.
pub struct Intake(pub Arc<Ports>);

#[async_trait]
impl Inbox for Intake {
    async fn take(&self, id: &DeviceId, facts: Vec<Fact>) -> Result<()> {
        let ports = &*self.0;
        let mut tx = ports.store.write().await?;
        let Some(mut device) = tx.device_load(id).await? else {
            // The device was deleted: nobody is left to own what still comes for it.
            return Ok(());
        };
        let mut told = Vec::new();
        for run in runs(facts) {
            match run {
                Run::Messages(messages) => receive::receive(ports, &mut *tx, &device, messages).await?,
                Run::Steps(steps) => progress::advance(ports, &mut *tx, &device, &steps).await?,
                Run::Session(signal, account) => {
                    told.push(session::tell_in(ports, &mut *tx, id, signal, account).await?);
                    let Some(changed) = tx.device_load(id).await? else { break };
                    device = changed;
                }
            }
        }
        tx.commit().await?;
        ports.waker.events_stored();
        for told in told {
            told.wake(ports, id);
        }
        Ok(())
    }
}

/// Neighbouring facts of one kind: they are recorded with one statement each instead of one per fact.
enum Run {
    Messages(Vec<Incoming>),
    Steps(Vec<Step>),
    Session(crate::device::Signal, Option<crate::ports::whatsapp::Account>),
}

/// Groups neighbours of one kind and keeps the order.
fn runs(facts: Vec<Fact>) -> Vec<Run> {
    let mut runs = Vec::new();
    for fact in facts {
        match (fact, runs.last_mut()) {
            (Fact::Message(message), Some(Run::Messages(messages))) => messages.push(message),
            (Fact::Message(message), _) => runs.push(Run::Messages(vec![message])),
            (Fact::Progress(step), Some(Run::Steps(steps))) => steps.push(step),
            (Fact::Progress(step), _) => runs.push(Run::Steps(vec![step])),
            (Fact::Session { signal, account }, _) => runs.push(Run::Session(signal, account)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Party;
    use crate::device::Signal;
    use crate::message::Content;
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
                Run::Steps(steps) => ("steps", steps.len()),
                Run::Session(..) => ("session", 1),
            })
            .collect();
        assert_eq!(shapes, [("steps", 2), ("session", 1), ("messages", 2), ("steps", 1)]);
    }
}
