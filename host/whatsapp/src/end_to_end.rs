//! Whole sessions against the sandbox network: pair, log in, chat both ways, come back, be unlinked.

mod world;

use std::sync::atomic::Ordering;

use portico_core::device::Signal;
use portico_core::error::Error;
use portico_core::message::Content;
use portico_core::ports::Sessions;
use portico_core::ports::sessions::ReceiptKind;

use crate::WhatsAppSessions;
use crate::config::{Network, WhatsAppConfig};
use crate::memory::{Memory, sealer};
use portico_sandbox::Sandbox;
use world::{Problem, Recorder, World};

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
    let world = World::start().await?;
    world.pair(OWN).await?;
    let peer = world.sandbox.phone(PEER)?;

    world.send("A1", PEER, "hello").await?;
    assert_eq!(peer.next_text().await?, "hello");
    world.inbox.wait("the server's acknowledgement", |seen| seen.acks.contains(&("A1".to_owned(), None))).await?;
    world
        .inbox
        .wait("the delivery receipt", |seen| seen.receipts.contains(&("A1".to_owned(), ReceiptKind::Delivered)))
        .await?;
    peer.read(OWN, &["A1".to_owned()])?;
    world.inbox.wait("the read receipt", |seen| seen.receipts.contains(&("A1".to_owned(), ReceiptKind::Read))).await?;

    let id = peer.send_text(OWN, "good morning").await?;
    let got = world.inbox.message(&id).await?;
    assert_eq!(got.content, text("good morning"));
    assert_eq!(got.chat.pn.as_deref(), Some(peer.jid().as_str()));
    assert_eq!(got.chat.lid.as_deref(), Some(format!("{}@lid", peer.lid()).as_str()));
    assert_eq!(got.sender.as_ref(), Some(&got.chat));
    peer.wait_until("delivered", |peer| peer.sent_record(&id).is_some_and(|sent| sent.delivered_ms.is_some())).await?;

    world.sessions.close(&world.device.id).await?;
    assert!(world.sessions.resources(&world.device.id).is_none());
    let missed = peer.send_text(OWN, "while you were away").await?;
    world.inbox.clear();
    world.sessions.open(&world.device).await?;
    let seen = world.inbox.wait("the login", |seen| seen.logged_in().is_some()).await?;
    assert!(!seen.signals.iter().any(|signal| matches!(signal, Signal::PairingStarted)), "no pairing again");
    assert_eq!(world.inbox.message(&missed).await?.content, text("while you were away"));
    world.send("A2", PEER, "back again").await?;
    assert_eq!(peer.next_text().await?, "back again");
    assert!(world.sessions.resources(&world.device.id).is_some_and(|cost| cost.frames_in > 0));
    Ok(())
}

/// The answer is sent with a key made when the question came in. A crash right behind it must not take that key away.
#[tokio::test]
async fn what_answers_an_answer_can_be_read_after_a_crash() -> Result<(), Problem> {
    let world = World::start().await?;
    world.pair(OWN).await?;
    let peer = world.sandbox.phone(PEER)?;
    world.send("A1", PEER, "hello").await?;
    assert_eq!(peer.next_text().await?, "hello");
    let question = peer.send_text(OWN, "who are you?").await?;
    world.inbox.message(&question).await?;
    world.send("A2", PEER, "a shop").await?;
    let left = std::sync::Arc::new(world.keys.copy());
    assert_eq!(peer.next_text().await?, "a shop");

    let (second, told) = world::gateway(world::config(&world.sandbox), &left)?;
    second.open(&world.device).await?;
    told.wait("the login", |seen| seen.logged_in().is_some()).await?;
    let answer = peer.send_text(OWN, "I see").await?;
    assert_eq!(told.message(&answer).await?.content, text("I see"));
    assert_eq!(peer.sent_record(&answer).map(|sent| sent.retries), Some(0), "it was read at once");
    Ok(())
}

#[tokio::test]
async fn own_messages_from_the_phone_have_no_sender() -> Result<(), Problem> {
    let world = World::start().await?;
    let phone = world.pair(OWN).await?;
    let peer = world.sandbox.phone(PEER)?;
    let id = phone.send_text(PEER, "from my phone").await?;
    let got = world.inbox.message(&id).await?;
    assert_eq!(got.sender, None);
    assert_eq!(got.chat.pn.as_deref(), Some(peer.jid().as_str()));
    Ok(())
}

#[tokio::test]
async fn a_pairing_code_links_too_and_is_repeated_while_it_lives() -> Result<(), Problem> {
    let world = World::start().await?;
    world.sessions.open(&world.device).await?;
    world.inbox.wait("pairing", |seen| seen.has(|signal| matches!(signal, Signal::PairingStarted))).await?;
    let number = portico_core::address::PhoneNumber::parse("phone", OWN)?;
    let code = world.sessions.pairing_code(&world.device.id, &number).await?;
    assert_eq!(code, world.sessions.pairing_code(&world.device.id, &number).await?);
    world.sandbox.phone(OWN)?.enter_code(&code.code).await?;
    let seen = world.inbox.wait("the login", |seen| seen.logged_in().is_some()).await?;
    let jid = seen.logged_in().and_then(|identity| identity.jid.clone());
    assert_eq!(jid.as_deref(), Some("15550100001@s.whatsapp.net"));
    assert!(world.sessions.qr(&world.device.id).is_none());
    Ok(())
}

#[tokio::test]
async fn logging_out_unlinks_and_leaves_no_key_behind() -> Result<(), Problem> {
    let world = World::start().await?;
    let phone = world.pair(OWN).await?;
    assert!(world.keys.count(&world.device.id) > 0);
    world.sessions.logout(&world.device.id).await?;
    assert_eq!(world.keys.count(&world.device.id), 0);
    phone.wait_until("unlinked", |phone| companion(phone).is_none()).await?;
    assert!(!world.inbox.seen().has(|signal| matches!(signal, Signal::Unlinked(_))), "the caller knows");
    Ok(())
}

#[tokio::test]
async fn unlinking_on_the_phone_is_told_and_leaves_no_key_behind() -> Result<(), Problem> {
    let world = World::start().await?;
    let phone = world.pair(OWN).await?;
    let device = companion(&phone).ok_or("a linked device")?;
    assert!(phone.unlink(device));
    let unlinked = |signal: &Signal| matches!(signal, Signal::Unlinked(why) if why.code == "logged_out");
    world.inbox.wait("the unlinking", |seen| seen.has(unlinked)).await?;
    assert_eq!(world.keys.count(&world.device.id), 0);
    assert!(matches!(world.send("A1", PEER, "too late").await, Err(Error::NotReady { .. })));
    Ok(())
}

#[tokio::test]
async fn a_message_the_core_refused_comes_again() -> Result<(), Problem> {
    let world = World::start().await?;
    world.pair(OWN).await?;
    let peer = world.sandbox.phone(PEER)?;
    world.inbox.refuse.store(true, Ordering::Release);
    let id = peer.send_text(OWN, "keep me").await?;
    world.inbox.wait("a refusal that lasts", |seen| seen.refused >= 4).await?;
    world.inbox.refuse.store(false, Ordering::Release);
    assert_eq!(world.inbox.message(&id).await?.content, text("keep me"));
    Ok(())
}

#[tokio::test]
async fn a_number_that_is_not_on_whatsapp_is_refused() -> Result<(), Problem> {
    let world = World::start().await?;
    world.pair(OWN).await?;
    let peer = world.sandbox.phone(PEER)?;
    let known = world.resolve(PEER).await?;
    assert_eq!(known.pn.as_deref(), Some(peer.jid().as_str()));
    assert_eq!(known.lid.as_deref(), Some(format!("{}@lid", peer.lid()).as_str()));
    for _ in 0..2 {
        let absent = world.resolve("15550109999").await;
        assert!(matches!(absent, Err(Error::Refused { code: "not_on_whatsapp", .. })));
    }
    Ok(())
}

#[tokio::test]
async fn only_loopback_networks_are_accepted() {
    let sessions = |network| {
        let (keys, inbox) = (std::sync::Arc::<Memory>::default(), Recorder::new());
        WhatsAppSessions::new(
            WhatsAppConfig::new(network),
            keys,
            sealer(),
            inbox,
            std::sync::Arc::new(world::SystemClock),
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
    let world = World::on(Sandbox::start(stored.clone()).await?)?;
    world.pair(OWN).await?;
    let address = world.sandbox.media_base().trim_start_matches("http://").parse()?;
    let World { sandbox, sessions, inbox, device, .. } = world;
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
    let world = World::start().await?;
    world.pair(OWN).await?;
    let (second, told) = world::gateway(world::config(&world.sandbox), &world.keys)?;
    second.open(&world.device).await?;
    told.wait("the login", |seen| seen.logged_in().is_some()).await?;
    let replaced = |signal: &Signal| matches!(signal, Signal::Ended(why) if why.code == "replaced");
    world.inbox.wait("the replacement", |seen| seen.has(replaced)).await?;
    assert!(world.sessions.resources(&world.device.id).is_none(), "the first one is gone when the core is told");
    Ok(())
}

/// More is told than may wait while the core stands still: WhatsApp waits then, and nothing is lost.
#[tokio::test]
async fn nothing_is_lost_while_the_core_stands_still() -> Result<(), Problem> {
    const TEXTS: usize = 60;
    let sandbox = Sandbox::start(portico_sandbox::Config::default()).await?;
    let mut config = world::config(&sandbox);
    config.limits.events_max = 24;
    let world = World::with(sandbox, config, Default::default())?;
    world.pair(OWN).await?;
    let peer = world.sandbox.phone(PEER)?;
    // The first text asks for devices and keys; the others are only written.
    world.send("A", PEER, "A").await?;
    assert_eq!(peer.next_text().await?, "A");
    world.inbox.still.send_replace(true);
    let ids: Vec<String> = (0..TEXTS).map(|k| format!("A{k}")).collect();
    for id in &ids {
        world.send(id, PEER, id).await?;
    }
    peer.wait_until("all texts came", |peer| peer.inbox(0, 1_000).len() == TEXTS + 1).await?;
    world.inbox.still.send_replace(false);
    let told = |seen: &world::Seen| {
        ids.iter().all(|id| seen.has_ack(id) && seen.receipts.contains(&(id.clone(), ReceiptKind::Delivered)))
    };
    world.inbox.wait("all acknowledgements and receipts", told).await?;
    Ok(())
}
