//! One account: its names, its phone, its devices and what they have told the server.
//!
//! Invariant: the lock is held for a few memory operations only, never across encryption and never together with
//! another account's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use whatsapp_rust::wacore::libsignal::protocol::KeyPair;
use whatsapp_rust::wacore_binary::{Jid, Node, Server};

use crate::app_state::AppState;
use crate::faults::restriction::Restriction;
use crate::identity::{public_bytes, random};
use crate::keys::{KeyBundle, OneTimeKey};
use crate::mailbox::{Mailbox, Posted};
use crate::phone::PhoneCore;
use crate::sync::held;
use crate::tokens::{Issued, Traits};

/// The number of the primary device, the phone.
pub(crate) const PHONE: u16 = 0;

/// Bytes of the salt companions make tokens from.
pub(crate) const SALT_BYTES: usize = 32;

/// How many other accounts an account remembers having talked to, to tell them about new devices.
const CONTACTS_MAX: usize = 2_000;

/// How many devices may watch one account's presence.
const WATCHERS_MAX: usize = 5_000;

/// What the server knows of a companion beyond its queue.
pub(crate) struct Companion {
    pub(crate) noise: [u8; 32],
    pub(crate) keys: Option<KeyBundle>,
    /// `ADVSignedDeviceIdentity` as signed by both sides; peers get it with the keys.
    pub(crate) signed_identity: Vec<u8>,
    pub(crate) key_index: u32,
    /// The phone has shared its app-state key.
    pub(crate) shared_key: bool,
    /// Asked to upload one-time keys and not answered yet.
    pub(crate) asked_for_keys: bool,
}

/// Counts of one device since the world began (or the process, where not kept).
#[derive(Clone, Copy, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct DeviceCounters {
    /// Messages this device handed to the server.
    pub(crate) messages_in: u64,
    /// Messages queued for this device.
    pub(crate) messages_out: u64,
    /// Queued stanzas the device acknowledged.
    pub(crate) acknowledged: u64,
    /// Retry receipts it sent.
    pub(crate) retries: u64,
    /// Logins.
    pub(crate) logins: u64,
}

/// The phone or a companion.
#[derive(Default)]
pub(crate) struct Device {
    pub(crate) mailbox: Mailbox,
    pub(crate) companion: Option<Companion>,
    pub(crate) available: bool,
    pub(crate) counters: DeviceCounters,
}

/// What changes about an account.
pub(crate) struct AccountState {
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) devices: BTreeMap<u16, Device>,
    pub(crate) last_device: u16,
    pub(crate) last_seen_s: Option<u64>,
    /// Devices that subscribed to this account's presence, as (phone number, device).
    pub(crate) watchers: BTreeSet<(String, u16)>,
    /// Numbers this account has exchanged messages with.
    pub(crate) contacts: BTreeSet<String>,
    /// Numbers whose owner last wrote to this account's LID; the phone answers them from it.
    pub(crate) by_lid: BTreeSet<String>,
    /// JIDs this account blocks.
    pub(crate) blocked: BTreeSet<String>,
    /// Privacy categories set by a client, by name.
    pub(crate) privacy: BTreeMap<String, String>,
    pub(crate) app_state: AppState,
    /// The picture's id.
    pub(crate) picture: Option<String>,
    pub(crate) traits: Traits,
    pub(crate) restriction: Restriction,
    /// Tokens issued to other accounts, by their number.
    pub(crate) issued: BTreeMap<String, Issued>,
    /// What companions make salted tokens from.
    pub(crate) salt: [u8; SALT_BYTES],
}

/// One account of the network.
pub(crate) struct Account {
    /// Phone number, digits only.
    pub(crate) pn: String,
    /// The account's other name, digits only.
    pub(crate) lid: String,
    pub(crate) identity: KeyPair,
    /// Constant id of the device list; a changed one reads as a new registration.
    pub(crate) raw_id: u32,
    pub(crate) phone: PhoneCore,
    state: Mutex<AccountState>,
}

impl AccountState {
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            about: "Hey there! I am using a sandbox.".to_owned(),
            devices: BTreeMap::from([(PHONE, Device::default())]),
            last_device: PHONE,
            last_seen_s: None,
            watchers: BTreeSet::new(),
            contacts: BTreeSet::new(),
            by_lid: BTreeSet::new(),
            blocked: BTreeSet::new(),
            privacy: BTreeMap::new(),
            app_state: AppState::default(),
            picture: None,
            traits: Traits::default(),
            restriction: Restriction::default(),
            issued: BTreeMap::new(),
            salt: random(),
        }
    }

    /// True while any device shows itself.
    pub(crate) fn is_available(&self) -> bool {
        self.devices.values().any(|device| device.available)
    }

    /// The companions, by device number.
    pub(crate) fn companions(&self) -> impl Iterator<Item = (u16, &Companion)> {
        self.devices.iter().filter_map(|(number, device)| Some((*number, device.companion.as_ref()?)))
    }
}

impl Account {
    pub(crate) fn new(
        pn: String,
        lid: String,
        identity: KeyPair,
        raw_id: u32,
        phone: PhoneCore,
        state: AccountState,
    ) -> Self {
        Self { pn, lid, identity, raw_id, phone, state: Mutex::new(state) }
    }

    /// Reads or changes the state under its lock.
    pub(crate) fn with<T>(&self, action: impl FnOnce(&mut AccountState) -> T) -> T {
        action(&mut held(&self.state))
    }

    /// Reads or changes one device under the lock; `None` when it is not linked.
    pub(crate) fn with_device<T>(&self, device: u16, action: impl FnOnce(&mut Device) -> T) -> Option<T> {
        self.with(|state| state.devices.get_mut(&device).map(action))
    }

    /// The device's JID by phone number.
    pub(crate) fn pn_jid(&self, device: u16) -> Jid {
        Jid::pn_device(self.pn.as_str(), device)
    }

    /// The device's JID by LID.
    pub(crate) fn lid_jid(&self, device: u16) -> Jid {
        Jid::lid_device(self.lid.as_str(), device)
    }

    /// The device's JID in the space another JID uses.
    pub(crate) fn jid_like(&self, like: &Jid, device: u16) -> Jid {
        if like.server == Server::Lid { self.lid_jid(device) } else { self.pn_jid(device) }
    }

    /// A partner's device as this account's phone addresses it: in the space the partner last wrote to.
    pub(crate) fn address_of(&self, partner: &Self, device: u16) -> Jid {
        let by_lid = self.with(|state| state.by_lid.contains(&partner.pn));
        if by_lid { partner.lid_jid(device) } else { partner.pn_jid(device) }
    }

    /// True when the JID names this account in either space.
    pub(crate) fn is(&self, jid: &Jid) -> bool {
        jid.user == self.pn || jid.user == self.lid
    }

    /// The account's public identity key.
    pub(crate) fn identity_public(&self) -> [u8; 32] {
        public_bytes(&self.identity)
    }

    /// The push name.
    pub(crate) fn name(&self) -> String {
        self.with(|state| state.name.clone())
    }

    /// Queues a stanza for one device; `None` when the device is not linked.
    pub(crate) fn post(&self, device: u16, node: Arc<Node>, queue_max: usize) -> Option<Posted> {
        self.with_device(device, |device| {
            if node.tag == "message" {
                device.counters.messages_out += 1;
            }
            device.mailbox.post(node, queue_max)
        })
    }

    /// Numbers of all linked devices, the phone first.
    pub(crate) fn device_numbers(&self) -> Vec<u16> {
        self.with(|state| state.devices.keys().copied().collect())
    }

    /// Remembers a conversation partner.
    pub(crate) fn remember_contact(&self, number: &str) {
        self.with(|state| {
            if state.contacts.len() < CONTACTS_MAX && !state.contacts.contains(number) {
                state.contacts.insert(number.to_owned());
            }
        });
    }

    /// Lets a device watch this account's presence.
    pub(crate) fn add_watcher(&self, number: &str, device: u16) {
        self.with(|state| {
            if state.watchers.len() < WATCHERS_MAX {
                state.watchers.insert((number.to_owned(), device));
            }
        });
    }

    /// A companion's keys with one one-time key taken out, its signed identity, and how many one-time keys remain.
    pub(crate) fn take_keys(&self, device: u16) -> Option<TakenKeys> {
        self.with_device(device, |device| {
            let companion = device.companion.as_mut()?;
            let keys = companion.keys.as_mut()?;
            let one_time = keys.one_time.pop_front();
            let left = keys.one_time.len();
            Some(TakenKeys {
                bundle: keys.lasting(),
                one_time,
                left,
                signed_identity: companion.signed_identity.clone(),
            })
        })
        .flatten()
    }

    /// Ends every connection of the account's companions, for shutdown.
    pub(crate) fn cut_all(&self) {
        self.with(|state| state.devices.values_mut().for_each(|device| device.mailbox.cut()));
    }
}

/// What [`Account::take_keys`] gives.
pub(crate) struct TakenKeys {
    pub(crate) bundle: KeyBundle,
    pub(crate) one_time: Option<OneTimeKey>,
    pub(crate) left: usize,
    pub(crate) signed_identity: Vec<u8>,
}
