//! A sandbox, one device with its sessions, and an inbox that records what sessions report.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use portico_core::address::{Party, Recipient};
use portico_core::device::{Device, DeviceState, Refs, Settings, Signal, Wanted};
use portico_core::error::{Error, Result};
use portico_core::group::GroupUpdate;
use portico_core::id::{DeviceId, TenantId};
use portico_core::message::MessageContext;
use portico_core::ports::whatsapp::{
    Account, Contacts, Fact, Incoming, Messages, Outgoing, OutgoingContent, ReceiptKind, Sessions, Step,
};
use portico_core::ports::{Clock, Inbox};
use portico_core::testing::NoBlobs;
use portico_core::time::UtcMs;
use portico_sandbox::{Phone, Sandbox};
use tokio::sync::Notify;

use crate::WhatsAppSessions;
use crate::config::{Network, WhatsAppConfig};
use crate::memory::{MemoryKeyRecords, sealer};

pub(super) type Problem = Box<dyn std::error::Error + Send + Sync>;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Enough for a test, and quick to make.
const PRE_KEYS: usize = 10;

/// The machine's clock.
#[derive(Debug)]
pub(super) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UtcMs {
        UtcMs(whatsapp_rust::wacore::time::now_millis())
    }
}

/// All that was reported.
#[derive(Clone, Default)]
pub(super) struct Seen {
    pub(super) messages: Vec<Incoming>,
    pub(super) acks: Vec<(String, Option<u16>)>,
    pub(super) receipts: Vec<(String, ReceiptKind)>,
    pub(super) signals: Vec<Signal>,
    pub(super) accounts: Vec<Account>,
    pub(super) groups: Vec<GroupUpdate>,
    pub(super) refused: usize,
}

impl Seen {
    pub(super) fn has(&self, is: impl Fn(&Signal) -> bool) -> bool {
        self.signals.iter().any(is)
    }

    fn add(&mut self, fact: Fact) {
        match fact {
            Fact::Message(message) => self.messages.push(message),
            Fact::Change(_) => {}
            Fact::Progress(Step::Acknowledged { whatsapp_id, refused }) => self.acks.push((whatsapp_id, refused)),
            Fact::Progress(Step::Receipt { whatsapp_ids, kind, .. }) => {
                self.receipts.extend(whatsapp_ids.into_iter().map(|id| (id, kind)));
            }
            Fact::Group(update) => self.groups.push(update),
            Fact::Session { signal, account } => {
                self.signals.push(signal);
                self.accounts.extend(account);
            }
        }
    }

    pub(super) fn has_ack(&self, id: &str) -> bool {
        self.acks.iter().any(|(acknowledged, _)| acknowledged == id)
    }

    /// Who logged in, if somebody did.
    pub(super) fn logged_in(&self) -> Option<&Account> {
        self.has(|signal| matches!(signal, Signal::LoggedIn)).then(|| self.accounts.last()).flatten()
    }
}

/// An inbox that records.
#[derive(Default)]
pub(super) struct Recorder {
    seen: Mutex<Seen>,
    changed: Notify,
    /// Takes no acknowledgement and no receipt while true.
    pub(super) still: tokio::sync::watch::Sender<bool>,
    /// Calls with messages that are still to fail.
    pub(super) failures: AtomicUsize,
    /// Calls so far. Each is one hop to a database thread.
    pub(super) calls: AtomicUsize,
}

impl Recorder {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(super) fn seen(&self) -> Seen {
        self.lock().clone()
    }

    pub(super) fn clear(&self) {
        *self.lock() = Seen::default();
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, change: impl FnOnce(&mut Seen)) -> Result<()> {
        change(&mut self.lock());
        self.changed.notify_waiters();
        Ok(())
    }

    async fn moving(&self) {
        // The sender is in `self`: it cannot be gone.
        let _ = self.still.subscribe().wait_for(|still| !still).await;
    }

    /// Waits until what was seen fulfils `holds`.
    pub(super) async fn wait(&self, what: &str, holds: impl Fn(&Seen) -> bool) -> Result<Seen, Problem> {
        let reached = async {
            loop {
                let mut changed = std::pin::pin!(self.changed.notified());
                // Registered before looking, so that no change in between is missed.
                changed.as_mut().enable();
                let seen = self.seen();
                if holds(&seen) {
                    return seen;
                }
                changed.await;
            }
        };
        let reached = tokio::time::timeout(PATIENCE, reached).await;
        reached.map_err(|_| {
            let seen = self.seen();
            format!("{what} did not come in time; {:?} {:?} {:?}", seen.signals, seen.acks, seen.receipts).into()
        })
    }

    /// Waits for the message with this id.
    pub(super) async fn message(&self, id: &str) -> Result<Incoming, Problem> {
        let seen = self.wait("the message", |seen| seen.messages.iter().any(|m| m.whatsapp_id == id)).await?;
        seen.messages.into_iter().find(|m| m.whatsapp_id == id).ok_or_else(|| "the message".into())
    }
}

#[async_trait]
impl Inbox for Recorder {
    async fn take(&self, _device: &DeviceId, facts: Vec<Fact>) -> Result<()> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if facts.iter().any(|fact| matches!(fact, Fact::Progress(_))) {
            self.moving().await;
        }
        let has_messages = facts.iter().any(|fact| matches!(fact, Fact::Message(_)));
        let fails = self.failures.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| {
            if has_messages { left.checked_sub(1) } else { None }
        });
        if fails.is_ok() {
            self.update(|seen| seen.refused += 1)?;
            return Err(Error::unavailable("the store", "refused by the test"));
        }
        self.update(|seen| facts.into_iter().for_each(|fact| seen.add(fact)))
    }
}

pub(super) struct Setup {
    pub(super) sandbox: Sandbox,
    pub(super) sessions: WhatsAppSessions,
    pub(super) keys: Arc<MemoryKeyRecords>,
    pub(super) inbox: Arc<Recorder>,
    pub(super) device: Device,
}

impl Setup {
    pub(super) async fn start() -> Result<Self, Problem> {
        Self::on(Sandbox::start(portico_sandbox::Config::default()).await?)
    }

    pub(super) fn on(sandbox: Sandbox) -> Result<Self, Problem> {
        let config = config(&sandbox);
        Self::with(sandbox, config, Arc::default())
    }

    /// A gateway of its own, on a sandbox and keys that others may use too.
    pub(super) fn with(sandbox: Sandbox, config: WhatsAppConfig, keys: Arc<MemoryKeyRecords>) -> Result<Self, Problem> {
        let (sessions, inbox) = gateway(config, &keys)?;
        Ok(Self { sandbox, sessions, keys, inbox, device: device() })
    }

    /// Opens the session and links it to the phone with this number.
    pub(super) async fn pair(&self, number: &str) -> Result<Phone, Problem> {
        let phone = self.sandbox.phone(number)?;
        self.sessions.open(&self.device).await?;
        self.inbox.wait("pairing", |seen| seen.has(|signal| matches!(signal, Signal::PairingStarted))).await?;
        let qr = self.sessions.qr(&self.device.id).ok_or("a QR code")?;
        phone.scan_qr(&qr.text).await?;
        let seen = self.inbox.wait("the login", |seen| seen.logged_in().is_some()).await?;
        assert!(seen.has(|signal| matches!(signal, Signal::Paired)));
        assert_eq!(seen.logged_in().and_then(|account| account.jid.clone()), Some(phone.jid()));
        Ok(phone)
    }

    pub(super) async fn resolve(&self, number: &str) -> Result<Party> {
        self.sessions.resolve(&self.device.id, &Recipient::parse("to", number)?).await
    }

    pub(super) async fn send(&self, id: &str, number: &str, text: &str) -> Result<()> {
        let to = self.resolve(number).await?;
        let content = OutgoingContent::Text { text: text.to_owned() };
        self.sessions
            .send(
                &self.device.id,
                &Outgoing { whatsapp_id: id.to_owned(), to, content, context: MessageContext::default() },
            )
            .await
    }
}

/// Sessions over these keys, and the inbox they report to.
pub(super) fn gateway(
    config: WhatsAppConfig,
    keys: &Arc<MemoryKeyRecords>,
) -> Result<(WhatsAppSessions, Arc<Recorder>), Problem> {
    let inbox = Recorder::new();
    let sessions =
        WhatsAppSessions::new(config, keys.clone(), sealer(), inbox.clone(), Arc::new(SystemClock), Arc::new(NoBlobs))?;
    Ok((sessions, inbox))
}

/// How sessions reach this sandbox.
pub(super) fn config(sandbox: &Sandbox) -> WhatsAppConfig {
    let network = Network::Sandbox { ws_url: sandbox.ws_url(), media_base: sandbox.media_base() };
    WhatsAppConfig { pre_key_count: PRE_KEYS, ..WhatsAppConfig::new(network) }
}

fn device() -> Device {
    Device {
        id: DeviceId::new(1, 1),
        number: 1,
        tenant: TenantId::new(1, 1),
        name: "harbour".to_owned(),
        state: DeviceState::Connecting,
        reason: None,
        state_since: UtcMs(1),
        deadline: None,
        wanted: Wanted::Running,
        jid: None,
        lid: None,
        push_name: None,
        refs: Refs::default(),
        settings: Settings::default(),
        created_at: UtcMs(1),
    }
}
