//! Whole sessions against the sandbox network: pair, log in, chat both ways, come back, be unlinked.

mod setup;

use std::sync::atomic::Ordering;

use portico_core::device::Signal;
use portico_core::error::Error;
use portico_core::message::Content;
use portico_core::ports::whatsapp::{ReceiptKind, Sessions};

use crate::WhatsAppSessions;
use crate::config::{Network, WhatsAppConfig};
use crate::memory::{MemoryKeyRecords, sealer};
use portico_sandbox::Sandbox;
use setup::{Problem, Recorder, Setup};

const OWN: &str = "15550100001";
const PEER: &str = "15550100002";

fn text(text: &str) -> Content {
    Content::Text { text: text.to_owned() }
}

/// The number of a phone's linked device; 0 is the phone itself.
fn companion(phone: &portico_sandbox::Phone) -> Option<u16> {
    phone.devices().iter().map(|report| report.device).find(|device| *device != 0)
}

#[tokio::test]
async fn texts_go_both_ways_before_and_after_a_restart_of_the_session() -> Result<(), Problem> {
    let setup = Setup::start().await?;
    setup.pair(OWN).await?;
    let peer = setup.sandbox.phone(PEER)?;

    setup.send("A1", PEER, "hello").await?;
    assert_eq!(peer.next_text().await?, "hello");
    setup.inbox.wait("the server's acknowledgement", |seen| seen.acks.contains(&("A1".to_owned(), None))).await?;
    setup
        .inbox
        .wait("the delivery receipt", |seen| seen.receipts.contains(&("A1".to_owned(), ReceiptKind::Delivered)))
        .await?;
    peer.read(OWN, &["A1".to_owned()])?;
    setup.inbox.wait("the read receipt", |seen| seen.receipts.contains(&("A1".to_owned(), ReceiptKind::Read))).await?;

    let id = peer.send_text(OWN, "good morning").await?;
    let got = setup.inbox.message(&id).await?;
    assert_eq!(got.content, text("good morning"));
    assert_eq!(got.chat.pn.as_deref(), Some(peer.jid().as_str()));
    assert_eq!(got.chat.lid.as_deref(), Some(format!("{}@lid", peer.lid()).as_str()));
    assert_eq!(got.sender.as_ref(), Some(&got.chat));
    peer.wait_until("delivered", |peer| peer.sent_record(&id).is_some_and(|sent| sent.delivered_ms.is_some())).await?;

    setup.sessions.close(&setup.device.id).await?;
    assert!(setup.sessions.resources(&setup.device.id).is_none());
    let missed = peer.send_text(OWN, "while you were away").await?;
    setup.inbox.clear();
    setup.sessions.open(&setup.device).await?;
    let seen = setup.inbox.wait("the login", |seen| seen.logged_in().is_some()).await?;
    assert!(!seen.signals.iter().any(|signal| matches!(signal, Signal::PairingStarted)), "no pairing again");
    assert_eq!(setup.inbox.message(&missed).await?.content, text("while you were away"));
    setup.send("A2", PEER, "back again").await?;
    assert_eq!(peer.next_text().await?, "back again");
    assert!(setup.sessions.resources(&setup.device.id).is_some_and(|cost| cost.frames_in > 0));
    Ok(())
}

/// The answer is sent with a key made when the question came in. A crash right behind it must not take that key away.
#[tokio::test]
async fn what_answers_an_answer_can_be_read_after_a_crash() -> Result<(), Problem> {
    let setup = Setup::start().await?;
    setup.pair(OWN).await?;
    let peer = setup.sandbox.phone(PEER)?;
    setup.send("A1", PEER, "hello").await?;
    assert_eq!(peer.next_text().await?, "hello");
    let question = peer.send_text(OWN, "who are you?").await?;
    setup.inbox.message(&question).await?;
    setup.send("A2", PEER, "a shop").await?;
    let left = std::sync::Arc::new(setup.keys.copy());
    assert_eq!(peer.next_text().await?, "a shop");

    let (second, second_inbox) = setup::gateway(setup::config(&setup.sandbox), &left)?;
    second.open(&setup.device).await?;
    second_inbox.wait("the login", |seen| seen.logged_in().is_some()).await?;
    let answer = peer.send_text(OWN, "I see").await?;
    assert_eq!(second_inbox.message(&answer).await?.content, text("I see"));
    assert_eq!(peer.sent_record(&answer).map(|sent| sent.retries), Some(0), "it was read at once");
    Ok(())
}

#[tokio::test]
async fn own_messages_from_the_phone_have_no_sender() -> Result<(), Problem> {
    let setup = Setup::start().await?;
    let phone = setup.pair(OWN).await?;
    let peer = setup.sandbox.phone(PEER)?;
    let id = phone.send_text(PEER, "from my phone").await?;
    let got = setup.inbox.message(&id).await?;
    assert_eq!(got.sender, None);
    assert_eq!(got.chat.pn.as_deref(), Some(peer.jid().as_str()));
    Ok(())
}

#[tokio::test]
async fn a_pairing_code_links_too_and_is_repeated_while_it_lives() -> Result<(), Problem> {
    let setup = Setup::start().await?;
    setup.sessions.open(&setup.device).await?;
    setup.inbox.wait("pairing", |seen| seen.has(|signal| matches!(signal, Signal::PairingStarted))).await?;
    let number = portico_core::address::PhoneNumber::parse("phone", OWN)?;
    let code = setup.sessions.pairing_code(&setup.device.id, &number).await?;
    assert_eq!(code, setup.sessions.pairing_code(&setup.device.id, &number).await?);
    setup.sandbox.phone(OWN)?.enter_code(&code.code).await?;
    let seen = setup.inbox.wait("the login", |seen| seen.logged_in().is_some()).await?;
    let jid = seen.logged_in().and_then(|account| account.jid.clone());
    assert_eq!(jid.as_deref(), Some("15550100001@s.whatsapp.net"));
    assert!(setup.sessions.qr(&setup.device.id).is_none());
    Ok(())
}

#[tokio::test]
async fn logging_out_unlinks_and_leaves_no_key_behind() -> Result<(), Problem> {
    let setup = Setup::start().await?;
    let phone = setup.pair(OWN).await?;
    assert!(setup.keys.count(&setup.device.id) > 0);
    setup.sessions.logout(&setup.device.id).await?;
    assert_eq!(setup.keys.count(&setup.device.id), 0);
    phone.wait_until("unlinked", |phone| companion(phone).is_none()).await?;
    assert!(!setup.inbox.seen().has(|signal| matches!(signal, Signal::Unlinked(_))), "the caller knows");
    Ok(())
}

#[tokio::test]
async fn unlinking_on_the_phone_is_told_and_leaves_no_key_behind() -> Result<(), Problem> {
    let setup = Setup::start().await?;
    let phone = setup.pair(OWN).await?;
    let device = companion(&phone).ok_or("a linked device")?;
    assert!(phone.unlink(device));
    let unlinked = |signal: &Signal| matches!(signal, Signal::Unlinked(why) if why.code == "logged_out");
    setup.inbox.wait("the unlinking", |seen| seen.has(unlinked)).await?;
    assert_eq!(setup.keys.count(&setup.device.id), 0);
    assert!(matches!(setup.send("A1", PEER, "too late").await, Err(Error::NotReady { .. })));
    Ok(())
}

/// The core fails for longer than it is asked again on one connection. Meanwhile more messages come, and keys can't be read:
/// a later message of the old connection may still be under way when the new one delivers the first message again.
#[tokio::test]
async fn messages_stay_in_order_when_the_core_could_not_store_some() -> Result<(), Problem> {
    const TEXTS: usize = 30;
    let setup = Setup::start().await?;
    setup.pair(OWN).await?;
    let peer = setup.sandbox.phone(PEER)?;
    let first = peer.send_text(OWN, "first").await?;
    setup.inbox.message(&first).await?;
    setup.inbox.failures.store(9, Ordering::Release);
    let mut sent = vec![first];
    for n in 0..TEXTS {
        sent.push(peer.send_text(OWN, &n.to_string()).await?);
    }
    let all_came = |seen: &setup::Seen| sent.iter().all(|id| seen.messages.iter().any(|m| m.whatsapp_id == *id));
    let seen = setup.inbox.wait("every message", all_came).await?;
    assert!(seen.refused >= 9, "the connection was made anew more than once");
    let mut came: Vec<_> = seen.messages.iter().map(|m| m.whatsapp_id.clone()).collect();
    came.dedup();
    assert_eq!(came, sent);
    Ok(())
}

/// Counts the calls that cost a hop to a database thread, on a device that is warmed up.
#[tokio::test]
async fn a_text_costs_few_hops_to_the_database() -> Result<(), Problem> {
    const TEXTS: usize = 100;
    let setup = Setup::start().await?;
    setup.pair(OWN).await?;
    let peer = setup.sandbox.phone(PEER)?;
    setup.send("warm", PEER, "warm").await?;
    assert_eq!(peer.next_text().await?, "warm");
    let id = peer.send_text(OWN, "warm").await?;
    setup.inbox.message(&id).await?;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;

    let hops = |what: &str| {
        let calls = setup.keys.take_calls();
        let inbox = setup.inbox.calls.swap(0, Ordering::Relaxed);
        (inbox, calls.values().sum::<usize>(), format!("{what}: inbox {inbox}, keys {calls:?}"))
    };
    hops("the warm-up");
    for n in 0..TEXTS {
        setup.send(&format!("A{n}"), PEER, "out").await?;
    }
    let last = format!("A{}", TEXTS - 1);
    setup.inbox.wait("the acknowledgements", |seen| seen.has_ack(&last)).await?;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    // An acknowledgement and a receipt for each text: this inbox answers at once, so that hardly any wait together.
    let (inbox, keys, calls) = hops("out");
    assert!(inbox <= 2 * TEXTS && keys <= TEXTS / 2, "{TEXTS} texts {calls}");

    let mut last = String::new();
    for _ in 0..TEXTS {
        last = peer.send_text(OWN, "in").await?;
    }
    setup.inbox.message(&last).await?;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let (inbox, keys, calls) = hops("in");
    assert!(inbox <= TEXTS && keys <= TEXTS / 2, "{TEXTS} texts {calls}");
    Ok(())
}

#[tokio::test]
async fn a_number_that_is_not_on_whatsapp_is_refused() -> Result<(), Problem> {
    let setup = Setup::start().await?;
    setup.pair(OWN).await?;
    let peer = setup.sandbox.phone(PEER)?;
    let known = setup.resolve(PEER).await?;
    assert_eq!(known.pn.as_deref(), Some(peer.jid().as_str()));
    assert_eq!(known.lid.as_deref(), Some(format!("{}@lid", peer.lid()).as_str()));
    for _ in 0..2 {
        let absent = setup.resolve("15550109999").await;
        assert!(matches!(absent, Err(Error::Refused { code: "not_on_whatsapp", .. })));
    }
    Ok(())
}

#[tokio::test]
async fn only_loopback_networks_are_accepted() {
    let sessions = |network| {
        let (keys, inbox) = (std::sync::Arc::<MemoryKeyRecords>::default(), Recorder::new());
        WhatsAppSessions::new(
            WhatsAppConfig::new(network),
            keys,
            sealer(),
            inbox,
            std::sync::Arc::new(setup::SystemClock),
            std::sync::Arc::new(portico_core::testing::NoBlobs),
        )
    };
    let sandbox = |ws: &str, media: &str| Network::Sandbox { ws_url: ws.to_owned(), media_base: media.to_owned() };
    assert!(sessions(sandbox("ws://127.0.0.1:9/ws/chat", "http://127.0.0.1:9")).is_ok());
    assert!(sessions(sandbox("ws://192.0.2.1:9/ws/chat", "http://127.0.0.1:9")).is_err());
    assert!(sessions(sandbox("ws://127.0.0.1:9/ws/chat", "http://192.0.2.1:9")).is_err());
    assert!(sessions(Network::WhatsApp).is_err());
}

#[tokio::test]
async fn a_lost_connection_is_told_once_and_made_again() -> Result<(), Problem> {
    let folder = tempfile::tempdir()?;
    let stored = portico_sandbox::Config { data_dir: Some(folder.path().to_owned()), ..Default::default() };
    let setup = Setup::on(Sandbox::start(stored.clone()).await?)?;
    setup.pair(OWN).await?;
    let address = setup.sandbox.media_base().trim_start_matches("http://").parse()?;
    let Setup { sandbox, sessions, inbox, device, .. } = setup;
    inbox.clear();
    sandbox.shutdown().await;
    let lost = |signal: &Signal| matches!(signal, Signal::ConnectionLost(_));
    inbox.wait("the loss", |seen| seen.has(lost)).await?;
    let again = Sandbox::start(portico_sandbox::Config { network: address, ..stored }).await?;
    let seen = inbox.wait("the login", |seen| seen.logged_in().is_some()).await?;
    assert_eq!(seen.signals.iter().filter(|signal| lost(signal)).count(), 1);
    let phone = again.phone(OWN)?;
    phone.wait_until("not online", |phone| phone.devices().iter().any(|d| d.connected && !d.available)).await?;
    sessions.close(&device.id).await?;
    again.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn a_second_session_of_the_device_replaces_the_first() -> Result<(), Problem> {
    let setup = Setup::start().await?;
    setup.pair(OWN).await?;
    let (second, second_inbox) = setup::gateway(setup::config(&setup.sandbox), &setup.keys)?;
    second.open(&setup.device).await?;
    second_inbox.wait("the login", |seen| seen.logged_in().is_some()).await?;
    let replaced = |signal: &Signal| matches!(signal, Signal::Ended(why) if why.code == "replaced");
    setup.inbox.wait("the replacement", |seen| seen.has(replaced)).await?;
    assert!(setup.sessions.resources(&setup.device.id).is_none(), "the first one is gone when its end is reported");
    Ok(())
}

/// More events come than may wait while the core stands still: WhatsApp keeps the rest, and nothing is lost.
#[tokio::test]
async fn nothing_is_lost_while_the_core_stands_still() -> Result<(), Problem> {
    const TEXTS: usize = 60;
    let sandbox = Sandbox::start(portico_sandbox::Config::default()).await?;
    let mut config = setup::config(&sandbox);
    config.limits.events_max = 24;
    let setup = Setup::with(sandbox, config, Default::default())?;
    setup.pair(OWN).await?;
    let peer = setup.sandbox.phone(PEER)?;
    // The first text asks for devices and keys; the others are only written.
    setup.send("A", PEER, "A").await?;
    assert_eq!(peer.next_text().await?, "A");
    setup.inbox.still.send_replace(true);
    let ids: Vec<String> = (0..TEXTS).map(|k| format!("A{k}")).collect();
    for id in &ids {
        setup.send(id, PEER, id).await?;
    }
    peer.wait_until("all texts came", |peer| peer.inbox(0, 1_000).len() == TEXTS + 1).await?;
    setup.inbox.still.send_replace(false);
    let all_came = |seen: &setup::Seen| {
        ids.iter().all(|id| seen.has_ack(id) && seen.receipts.contains(&(id.clone(), ReceiptKind::Delivered)))
    };
    setup.inbox.wait("all acknowledgements and receipts", all_came).await?;
    Ok(())
}
