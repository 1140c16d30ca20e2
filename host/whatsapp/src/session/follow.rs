//! Following one client: facts in, calls of the core out, in order.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use portico_core::device::{Signal, StateReason};
use portico_core::error::Result;
use portico_core::ports::sessions::{Identity, ReceiptKind, Step};
use portico_core::time::UtcMs;
use tokio::sync::mpsc;
use whatsapp_rust::types::events::{Event, PairError, Receipt, ServerAck};
use whatsapp_rust::types::presence::ReceiptType;
use whatsapp_rust::{Client, Jid};

use super::Session;
use super::start::Link;
use crate::events::signals::{self, Verdict};
use crate::events::{Fact, inbound};

/// Steps of messages told to the core at once, at most.
const STEPS_AT_ONCE: usize = 64;
/// Times the core is asked to take a fact before it is given up.
const TELL_TRIES: u32 = 9;
/// Wait after the first refusal; doubled after each further one, up to the maximum.
const TELL_WAIT: Duration = Duration::from_millis(100);
const TELL_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long telling WhatsApp that we are not online may take.
const PRESENCE_TIMEOUT: Duration = Duration::from_secs(5);
/// The code reported for a refusal whose code is not a number.
const REFUSED_SOMEHOW: u16 = 500;

/// Follows the client until the session's end is decided.
pub(super) async fn follow(session: &Arc<Session>, link: &mut Link) -> Verdict {
    let mut last_error = None;
    loop {
        tokio::select! {
            biased;
            () = session.stop.cancelled() => return Verdict::Stopped,
            Some(fact) = link.facts.recv() => {
                let (steps, behind) = gather(fact, &mut link.facts);
                progress(session, &steps).await;
                if let Some(fact) = behind
                    && let Some(verdict) = take(session, &link.client, fact, &mut last_error).await
                {
                    return verdict;
                }
                link.sink.worked_off();
            }
            () = &mut link.handle => return Verdict::Ended(signals::run_over()),
        }
    }
}

/// Hands over what was told before the end and still counts then: acknowledgements, receipts, messages.
pub(super) async fn drain(session: &Arc<Session>, client: &Arc<Client>, facts: &mut mpsc::Receiver<Fact>) {
    while let Some(fact) = facts.recv().await {
        let (steps, behind) = gather(fact, facts);
        progress(session, &steps).await;
        if let Some(Fact::Event(event)) = behind {
            news(session, client, &event).await;
        }
    }
}

/// The steps that wait in a row from `first` on, and what was taken out behind them: one transaction records them all.
fn gather(first: Fact, facts: &mut mpsc::Receiver<Fact>) -> (Vec<Step>, Option<Fact>) {
    let mut steps = Vec::new();
    let mut fact = first;
    loop {
        match step(&fact) {
            Some(step) => steps.push(step),
            None => return (steps, Some(fact)),
        }
        if steps.len() == STEPS_AT_ONCE {
            return (steps, None);
        }
        match facts.try_recv() {
            Ok(next) => fact = next,
            Err(_) => return (steps, None),
        }
    }
}

async fn take(
    session: &Arc<Session>,
    client: &Arc<Client>,
    fact: Fact,
    last_error: &mut Option<StateReason>,
) -> Option<Verdict> {
    let event = match fact {
        Fact::Event(event) => event,
        // After a login, dialling again means that the connection before is gone, whether an event said so or not.
        Fact::Dialling => {
            session.pairing.hide();
            session.lost(last_error.take().unwrap_or_else(signals::connection_lost)).await;
            return None;
        }
    };
    if news(session, client, &event).await {
        return None;
    }
    match &*event {
        Event::StreamError(error) => *last_error = signals::stream_error(error),
        Event::Disconnected(_) => {
            session.lost(last_error.take().unwrap_or_else(signals::connection_lost)).await;
        }
        Event::Connected(_) => connected(session, client).await,
        event => return connection(session, event).or(pairing(session, event).await),
    }
    None
}

/// What is told about messages; whether it was that.
async fn news(session: &Arc<Session>, client: &Arc<Client>, event: &Event) -> bool {
    match event {
        // Those that say something about a message are steps.
        Event::ServerAck(_) | Event::Receipt(_) => {}
        // What the durability hook committed is known already; newsletters and recovered messages come only here.
        Event::Messages(batch) if !batch.hook_committed => {
            let inbox = &*session.context.inbox;
            insist(session, "messages", || inbound::deliver(inbox, &session.device, client, &batch.messages)).await;
        }
        Event::Messages(_) => {}
        Event::UndecryptableMessage(_) => {
            session.undecryptable.fetch_add(1, Ordering::Relaxed);
        }
        _ => return false,
    }
    true
}

/// A fact as a step of messages of ours, if it is one.
fn step(fact: &Fact) -> Option<Step> {
    let Fact::Event(event) = fact else { return None };
    match &**event {
        Event::ServerAck(ack) => acknowledged(ack),
        Event::Receipt(receipt) => received(receipt),
        _ => None,
    }
}

fn acknowledged(ack: &ServerAck) -> Option<Step> {
    if ack.class.as_deref() != Some("message") {
        return None;
    }
    let refused = ack.error.as_deref().map(|code| code.parse().unwrap_or(REFUSED_SOMEHOW));
    Some(Step::Acknowledged { whatsapp_id: ack.id.to_string(), refused })
}

fn received(receipt: &Receipt) -> Option<Step> {
    let kind = match receipt.r#type {
        ReceiptType::Delivered => ReceiptKind::Delivered,
        ReceiptType::Read => ReceiptKind::Read,
        ReceiptType::Played => ReceiptKind::Played,
        _ => return None,
    };
    // Our own other devices have it, which says nothing about the recipient.
    if receipt.source.is_from_me || receipt.message_ids.is_empty() {
        return None;
    }
    let whatsapp_ids = receipt.message_ids.iter().map(ToString::to_string).collect();
    Some(Step::Receipt { whatsapp_ids, kind, at: UtcMs(receipt.timestamp.timestamp_millis()) })
}

async fn progress(session: &Session, steps: &[Step]) {
    if !steps.is_empty() {
        let inbox = &session.context.inbox;
        insist(session, "progress", || inbox.progress(&session.device, steps)).await;
    }
}

async fn connected(session: &Session, client: &Client) {
    session.pairing.hide();
    session.logged_in.store(true, Ordering::Release);
    // The library goes online at each login, and an online companion keeps the phone from notifying.
    let quiet = tokio::time::timeout(PRESENCE_TIMEOUT, client.presence().set_unavailable()).await;
    if !matches!(quiet, Ok(Ok(()))) {
        tracing::debug!(device.id = %session.device, "the session could not tell that it is not online");
    }
    let name = client.push_name();
    let identity = Identity {
        jid: client.pn().as_ref().map(Jid::to_non_ad_string),
        lid: client.lid().as_ref().map(Jid::to_non_ad_string),
        push_name: (!name.is_empty()).then_some(name),
    };
    session.tell(Signal::LoggedIn, Some(identity)).await;
}

/// What ends the session for reasons of the connection or the account.
fn connection(session: &Session, event: &Event) -> Option<Verdict> {
    match event {
        Event::LoggedOut(_) if session.logging_out.load(Ordering::Acquire) => Some(Verdict::Stopped),
        Event::LoggedOut(event) => Some(Verdict::Unlinked(signals::logged_out(event))),
        Event::StreamReplaced(_) => Some(Verdict::Ended(signals::replaced())),
        Event::TemporaryBan(ban) => Some(Verdict::Ended(signals::temporary_ban(ban, session.context.clock.now()))),
        Event::ConnectFailure(failure) if !signals::is_passing(failure) => {
            Some(Verdict::Ended(signals::connect_failure(failure)))
        }
        Event::ClientOutdated(_) => Some(Verdict::Outdated),
        _ => None,
    }
}

async fn pairing(session: &Session, event: &Event) -> Option<Verdict> {
    match event {
        Event::PairingQrCode(code) => {
            let is_first = session.pairing.show(code, &*session.context.clock);
            if is_first {
                session.tell(Signal::PairingStarted, None).await;
            }
        }
        Event::PairingQrCodesExhausted(event) => {
            session.pairing.hide();
            // The library stays connected when a pairing code is still good; the core's deadline ends that.
            return event.disconnected.then(|| Verdict::Ended(signals::qr_expired()));
        }
        Event::PairingCodeRefresh(_) => session.pairing.forget_code().await,
        Event::PairSuccess(paired) => {
            session.pairing.hide();
            session.pairing.forget_code().await;
            let identity = Identity {
                jid: Some(paired.id.to_non_ad_string()),
                lid: Some(paired.lid.to_non_ad_string()),
                push_name: None,
            };
            session.tell(Signal::Paired, Some(identity)).await;
        }
        Event::PairPasskeyRequest(_) => session.tell(Signal::PasskeyRequired, None).await,
        Event::PairError(error) => return pairing_failed(session, Some(error)),
        Event::PairPasskeyError(_) => return pairing_failed(session, None),
        Event::QrScannedWithoutMultidevice(_) => return Some(Verdict::Ended(signals::no_multidevice())),
        _ => {}
    }
    None
}

fn pairing_failed(session: &Session, error: Option<&PairError>) -> Option<Verdict> {
    tracing::warn!(device.id = %session.device, "a pairing failed");
    let failures = session.pairing.failed();
    (failures >= session.context.limits.pairing_attempts_max).then(|| Verdict::Ended(signals::pair_failed(error)))
}

/// Asks the core again until it took the fact: WhatsApp was told already that we have it. Given up at last, loudly, so that
/// one fact the core can't take does not hold up all others, nor the end of the session when somebody waits for it.
pub(super) async fn insist<F, Fut>(session: &Session, what: &'static str, call: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<()>>,
{
    let mut wait = TELL_WAIT;
    for attempt in 1..=TELL_TRIES {
        let hurried = session.stop.is_cancelled();
        let Err(error) = call().await else { return };
        if hurried || attempt == TELL_TRIES {
            tracing::error!(device.id = %session.device, fact = what, error = &error as &dyn std::error::Error, "the core could not take a fact; it is lost");
            return;
        }
        let _ = tokio::time::timeout(wait, session.stop.cancelled()).await;
        wait = (2 * wait).min(TELL_WAIT_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acknowledged(n: usize) -> Fact {
        let ack = ServerAck::builder().id(format!("3EB0{n}")).class("message".to_owned()).build();
        Fact::Event(Arc::new(Event::ServerAck(ack)))
    }

    fn waiting(facts: impl IntoIterator<Item = Fact>) -> mpsc::Receiver<Fact> {
        let (queue, waiting) = mpsc::channel(4 * STEPS_AT_ONCE);
        facts.into_iter().for_each(|fact| assert!(queue.try_send(fact).is_ok(), "a place is free"));
        waiting
    }

    #[test]
    fn steps_that_wait_in_a_row_are_told_together() {
        let mut facts = waiting([acknowledged(1), acknowledged(2), Fact::Dialling, acknowledged(3)]);
        let (steps, behind) = gather(acknowledged(0), &mut facts);
        assert_eq!(steps.len(), 3);
        assert!(matches!(behind, Some(Fact::Dialling)), "what ends the row comes out with it");
        let first = facts.try_recv().expect("the row behind is untouched");
        let (steps, behind) = gather(first, &mut facts);
        assert!(matches!(&steps[..], [Step::Acknowledged { whatsapp_id, refused: None }] if whatsapp_id == "3EB03"));
        assert!(behind.is_none());
    }

    #[test]
    fn a_row_has_its_limit() {
        let mut facts = waiting((0..STEPS_AT_ONCE + 5).map(acknowledged));
        let first = facts.try_recv().expect("many wait");
        let (steps, behind) = gather(first, &mut facts);
        assert_eq!((steps.len(), behind.is_none()), (STEPS_AT_ONCE, true));
        assert_eq!(facts.len(), 5);
    }

    #[test]
    fn what_is_no_step_comes_out_alone() {
        let mut facts = waiting([acknowledged(1)]);
        let (steps, behind) = gather(Fact::Dialling, &mut facts);
        assert!(steps.is_empty() && matches!(behind, Some(Fact::Dialling)));
        assert_eq!(facts.len(), 1);
    }
}
