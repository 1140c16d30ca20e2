//! The order of messages when the core can't store some. The client dials a port where nobody listens.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use portico_core::address::Party;
use portico_core::error::{Error, Result};
use portico_core::id::DeviceId;
use portico_core::message::{Content, MessageContext};
use portico_core::ports::Inbox;
use portico_core::ports::whatsapp::{Fact, Incoming};
use portico_core::time::UtcMs;
use tokio::sync::oneshot;

use super::facts::WaitingHook;
use super::*;
use crate::config::{Network, WhatsAppConfig};
use crate::dial::Transports;
use crate::events::inbound::order::MessageKey;
use crate::memory::{FixedClock, MemoryKeyRecords, sealer};
use crate::session::{Context, start};

/// An inbox that fails for some calls and keeps the ids of messages.
#[derive(Default)]
struct FailingInbox {
    failures: AtomicUsize,
    stored: Mutex<Vec<String>>,
}

#[async_trait]
impl Inbox for FailingInbox {
    async fn take(&self, _: &DeviceId, facts: Vec<Fact>) -> Result<()> {
        let left = |left: usize| left.checked_sub(1);
        if self.failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).is_ok() {
            return Err(Error::unavailable("the database", "the disk is full"));
        }
        let ids = facts.into_iter().filter_map(|fact| match fact {
            Fact::Message(message) => Some(message.whatsapp_id),
            Fact::Change(_) | Fact::Progress(_) | Fact::Group(_) | Fact::Session { .. } => None,
        });
        self.stored.lock().unwrap_or_else(PoisonError::into_inner).extend(ids);
        Ok(())
    }
}

async fn event_loop(inbox: &Arc<FailingInbox>) -> Result<(EventLoop, RunningClient)> {
    let nobody = "127.0.0.1:9";
    let network = Network::Sandbox { ws_url: format!("ws://{nobody}/ws/chat"), media_base: format!("http://{nobody}") };
    let config = WhatsAppConfig::new(network);
    let context = Context {
        transports: Transports::new(&config.network)?,
        limits: config.limits.clone(),
        config,
        records: Arc::new(MemoryKeyRecords::default()),
        sealer: sealer(),
        inbox: Arc::clone(inbox) as _,
        clock: Arc::new(FixedClock(std::sync::atomic::AtomicI64::new(1))),
        blobs: Arc::new(portico_core::testing::NoBlobs),
        transfers: tokio::sync::Semaphore::new(1),
    };
    let session = Session::new(DeviceId::new(1, 1), Arc::new(context));
    let running = start::start(&session).await?;
    Ok((EventLoop::new(session, Arc::clone(&running.client)), running))
}

/// One message of the durability hook, and where its answer comes.
fn incoming(id: &str) -> (Item, oneshot::Receiver<bool>) {
    let chat = Party::single("15550100002@s.whatsapp.net");
    let fact = Fact::Message(Incoming {
        whatsapp_id: id.to_owned(),
        sender: Some(chat.clone()),
        chat,
        sender_name: None,
        timestamp: UtcMs(1),
        content: Content::Text { text: "hello".to_owned() },
        context: MessageContext::default(),
    });
    let (stored, answer) = oneshot::channel();
    let keys = vec![MessageKey { chat: "15550100002@s.whatsapp.net".to_owned(), id: id.to_owned() }];
    (Item { facts: vec![fact], incoming: Some(WaitingHook { keys, stored }) }, answer)
}

/// Has one message stored; says whether it was.
async fn store(event_loop: &mut EventLoop, id: &str) -> bool {
    let (item, answer) = incoming(id);
    event_loop.record(vec![item]).await;
    answer.await == Ok(true)
}

/// The second message was under way in the library when the connection for the first was made anew.
#[tokio::test]
async fn a_message_of_the_old_connection_does_not_overtake_a_refused_one() -> Result<()> {
    let inbox = Arc::new(FailingInbox::default());
    let (mut event_loop, _running) = event_loop(&inbox).await?;
    inbox.failures.store(usize::try_from(report::INCOMING_TRIES).unwrap_or(usize::MAX), Ordering::Relaxed);
    assert!(!store(&mut event_loop, "first").await);
    assert!(!store(&mut event_loop, "second").await, "nothing is stored until there is a new connection");
    assert!(event_loop.handle(SessionEvent::Dialing).await.is_none());
    assert!(!store(&mut event_loop, "third").await, "the first did not come again yet");
    for id in ["first", "second", "third", "fourth"] {
        assert!(store(&mut event_loop, id).await, "{id}");
    }
    assert_eq!(*inbox.stored.lock().unwrap_or_else(PoisonError::into_inner), ["first", "second", "third", "fourth"]);
    Ok(())
}

#[tokio::test]
async fn a_message_that_never_comes_again_does_not_block_its_chat() -> Result<()> {
    let inbox = Arc::new(FailingInbox::default());
    let (mut event_loop, _running) = event_loop(&inbox).await?;
    inbox.failures.store(usize::try_from(report::INCOMING_TRIES).unwrap_or(usize::MAX), Ordering::Relaxed);
    assert!(!store(&mut event_loop, "lost").await);
    assert!(event_loop.handle(SessionEvent::Dialing).await.is_none());
    assert!(!store(&mut event_loop, "next").await);
    event_loop.redelivery_is_over();
    assert!(event_loop.reconnecting, "the next one has to come again, too");
    assert!(event_loop.handle(SessionEvent::Dialing).await.is_none());
    assert!(store(&mut event_loop, "next").await);
    Ok(())
}

/// A fact that can't be recorded must not take its neighbours with it.
#[tokio::test]
async fn a_refused_message_leaves_facts_beside_it() -> Result<()> {
    let inbox = Arc::new(FailingInbox::default());
    let (mut event_loop, _running) = event_loop(&inbox).await?;
    inbox.failures.store(usize::try_from(report::INCOMING_TRIES).unwrap_or(usize::MAX), Ordering::Relaxed);
    let (first, answer) = incoming("first");
    let (other, _) = incoming("other");
    event_loop.record(vec![Item { incoming: None, ..other }, first]).await;
    assert_ne!(answer.await, Ok(true));
    assert_eq!(*inbox.stored.lock().unwrap_or_else(PoisonError::into_inner), ["other"]);
    Ok(())
}
