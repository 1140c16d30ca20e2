//! The state every part of the server shares.
//!
//! Invariant: no lock covers more than one account. Work on several accounts locks one after the other.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use whatsapp_rust::wacore_binary::Node;

use crate::account::{Account, AccountState};
use crate::channels::Channels;
use crate::directory::Directory;
use crate::faults::{Faults, deliver};
use crate::groups::Groups;
use crate::identity::{key_pair, random};
use crate::mailbox::Posted;
use crate::media_host::MediaHost;
use crate::pairing::Pairing;
use crate::phone::{PhoneCore, run};
use crate::pictures::Pictures;
use crate::sync::held;
use crate::tokens::Traits;
use crate::trust::Trust;
use crate::{Error, Limits};

/// Counts since the process began.
#[derive(Default)]
pub(crate) struct Counters {
    /// Open WebSocket connections.
    pub(crate) connections: AtomicU64,
    /// Full handshakes: first connections, pairing, clients that never resume.
    pub(crate) handshakes_full: AtomicU64,
    /// Handshakes resumed against the server key the client remembers (IK).
    pub(crate) handshakes_resumed: AtomicU64,
    /// Attempts to resume against another server key, turned into full ones.
    pub(crate) handshakes_fallback: AtomicU64,
    /// Messages accepted from devices (phones included).
    pub(crate) messages: AtomicU64,
    /// Copies of messages queued for devices.
    pub(crate) deliveries: AtomicU64,
    /// Receipts accepted from devices.
    pub(crate) receipts: AtomicU64,
    /// Retry receipts among them.
    pub(crate) retries: AtomicU64,
    /// Connections closed because their outgoing queue was full.
    pub(crate) overflows: AtomicU64,
    /// Requests answered with `feature-not-implemented`.
    pub(crate) unknown_requests: AtomicU64,
}

/// The whole server.
pub(crate) struct Network {
    pub(crate) limits: Limits,
    pub(crate) trust: Trust,
    pub(crate) directory: Directory,
    pub(crate) groups: Groups,
    pub(crate) channels: Channels,
    pub(crate) pairing: Pairing,
    pub(crate) media: MediaHost,
    pub(crate) pictures: Pictures,
    pub(crate) faults: Faults,
    pub(crate) counters: Counters,
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    /// Whether a phone nobody named is found by push name.
    pub(crate) by_push_name: AtomicBool,
    /// Whether everyone is in everyone's address book.
    pub(crate) all_are_contacts: AtomicBool,
    /// Two clients with one new name must not get an account each.
    naming: Mutex<()>,
    dirty: AtomicBool,
    pub(crate) changed: Notify,
    next: AtomicU64,
}

impl Network {
    pub(crate) fn new(limits: Limits, trust: Trust) -> Arc<Self> {
        Arc::new(Self {
            connections: Arc::new(Semaphore::new(limits.connections_max)),
            media: MediaHost::new(&limits),
            pictures: Pictures::new(&limits),
            faults: Faults::default(),
            limits,
            trust,
            directory: Directory::default(),
            groups: Groups::default(),
            channels: Channels::default(),
            pairing: Pairing::default(),
            counters: Counters::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            by_push_name: AtomicBool::new(false),
            all_are_contacts: AtomicBool::new(false),
            naming: Mutex::new(()),
            dirty: AtomicBool::new(false),
            changed: Notify::new(),
            next: AtomicU64::new(1),
        })
    }

    /// A number never given before in this process.
    pub(crate) fn next(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// A stanza id never given before, also across restarts.
    pub(crate) fn stanza_id(&self) -> String {
        format!("{}-{}", crate::clock::now_ms(), self.next())
    }

    /// Marks the state as changed, so that a snapshot is written.
    pub(crate) fn touch(&self) {
        if !self.dirty.swap(true, Ordering::AcqRel) {
            self.changed.notify_one();
        }
    }

    /// Clears the mark before a snapshot is written; true when it was set.
    pub(crate) fn take_dirty(&self) -> bool {
        self.dirty.swap(false, Ordering::AcqRel)
    }

    /// Creates an account and its phone.
    pub(crate) fn create_account(self: &Arc<Self>, number: &str, name: Option<&str>) -> Result<Arc<Account>, Error> {
        if !(7..=15).contains(&number.len()) || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Error::InvalidNumber);
        }
        let name = name.map_or_else(|| format!("Phone {number}"), str::to_owned);
        let identity = key_pair();
        let phone = PhoneCore::generate(&identity, &self.limits)?;
        let lid = format!("1{:014}", u64::from_be_bytes(random()) % 100_000_000_000_000);
        let raw_id = u32::from_be_bytes(random());
        let mut state = AccountState::new(name);
        if self.by_push_name.load(Ordering::Relaxed) {
            state.traits = Traits::of_name(&state.name);
        }
        state.app_state = phone.initial_app_state(&state, &self.limits)?;
        let account = Arc::new(Account::new(number.to_owned(), lid, identity, raw_id, phone, state));
        self.adopt(Arc::clone(&account))?;
        self.touch();
        Ok(account)
    }

    /// Puts an account on the network and starts its phone.
    pub(crate) fn adopt(self: &Arc<Self>, account: Arc<Account>) -> Result<(), Error> {
        self.directory.insert(Arc::clone(&account), self.limits.accounts_max)?;
        self.tasks.spawn(run::run(Arc::clone(self), account));
        Ok(())
    }

    /// Finds an account by number, creating it when there is none.
    pub(crate) fn account(self: &Arc<Self>, number: &str) -> Result<Arc<Account>, Error> {
        if let Some(account) = self.directory.find(number).filter(|account| account.pn == number) {
            return Ok(account);
        }
        match self.create_account(number, None) {
            // Another task created it between looking and creating.
            Err(Error::PhoneExists) => self.directory.find(number).ok_or(Error::UnknownPhone),
            other => other,
        }
    }

    /// Creates an account with a free number of the fictitious range. Another task may take a number between looking
    /// and creating; then the next one is tried.
    pub(crate) fn create_any(self: &Arc<Self>, name: Option<&str>) -> Result<Arc<Account>, Error> {
        loop {
            match self.create_account(&self.directory.free_number(), name) {
                Err(Error::PhoneExists) => {}
                other => return other,
            }
        }
    }

    /// Finds the account with this push name, creating it when there is none.
    pub(crate) fn account_named(self: &Arc<Self>, name: &str) -> Result<Arc<Account>, Error> {
        let _one = held(&self.naming);
        match self.directory.all().into_iter().find(|account| account.name() == name) {
            Some(account) => Ok(account),
            None => self.create_any(Some(name)),
        }
    }

    /// The accounts that hear of changes of this one.
    pub(crate) fn contacts_of(&self, account: &Account) -> Vec<Arc<Account>> {
        if self.all_are_contacts.load(Ordering::Relaxed) {
            let all = self.directory.all();
            return all.into_iter().filter(|other| other.pn != account.pn).collect();
        }
        let contacts = account.with(|state| state.contacts.clone());
        contacts.iter().filter_map(|number| self.directory.find(number)).collect()
    }

    /// Queues a stanza for a device and counts what became of it; false when the device is not linked.
    pub(crate) fn post(&self, account: &Account, device: u16, node: Node) -> bool {
        let mut linked = true;
        for node in deliver::afflict(self, account, device, Arc::new(node)) {
            let posted = account.post(device, node, self.limits.queue_max);
            if posted == Some(Posted::Overflowed) {
                self.counters.overflows.fetch_add(1, Ordering::Relaxed);
            }
            linked &= posted.is_some();
        }
        self.touch();
        linked
    }
}
