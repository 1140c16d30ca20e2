//! The format of the snapshot file, and its conversion from and to the running state.
//!
//! Accounts are copied one after the other, each under its own lock. Between two accounts the world may move on: a
//! message can be in its recipient's queue and not in its author's log, never the other way round.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use whatsapp_rust::wacore::libsignal::protocol::KeyPair;
use whatsapp_rust::wacore_binary::marshal::marshal;
use whatsapp_rust::wacore_binary::{Node, OwnedNodeRef};

use crate::account::{Account, AccountState, Companion, Device, DeviceCounters};
use crate::app_state::AppState;
use crate::channels::Channel;
use crate::faults::restriction::Restriction;
use crate::groups::Group;
use crate::groups::state::GroupState;
use crate::keys::KeyBundle;
use crate::mailbox::Mailbox;
use crate::network::Network;
use crate::phone::inbox::{PhoneLog, SavedLog};
use crate::phone::sender_keys::SavedSenderKeys;
use crate::phone::signal::OneTimeKeys;
use crate::phone::{AppStateKey, PhoneCore};
use crate::pictures::SavedPicture;
use crate::sync::held;
use crate::tokens::{Issued, Traits};
use crate::trust::Trust;
use crate::{Error, Limits};

/// Bytes as base64.
#[derive(Serialize, Deserialize)]
struct Blob(#[serde(with = "crate::bytes_text")] Vec<u8>);

/// Everything kept.
#[derive(Serialize, Deserialize)]
pub(super) struct World {
    trust: Trust,
    /// Written by a shutdown. Without it clients may be ahead of the sessions kept here.
    #[serde(default)]
    finished: bool,
    accounts: Vec<SavedAccount>,
    #[serde(default)]
    groups: Vec<SavedGroup>,
    #[serde(default)]
    channels: Vec<Channel>,
    #[serde(default)]
    pictures: Vec<SavedPicture>,
}

#[derive(Serialize, Deserialize)]
struct SavedGroup {
    id: String,
    state: GroupState,
}

#[derive(Serialize, Deserialize)]
struct SavedAccount {
    number: String,
    lid: String,
    name: String,
    about: String,
    identity: KeyPair,
    raw_id: u32,
    phone: SavedPhone,
    last_device: u16,
    last_seen_s: Option<u64>,
    contacts: BTreeSet<String>,
    #[serde(default)]
    by_lid: BTreeSet<String>,
    blocked: BTreeSet<String>,
    privacy: BTreeMap<String, String>,
    app_state: AppState,
    devices: Vec<SavedDevice>,
    #[serde(default)]
    picture: Option<String>,
    #[serde(default)]
    traits: Traits,
    #[serde(default)]
    restriction: Restriction,
    #[serde(default)]
    issued: BTreeMap<String, Issued>,
    #[serde(default)]
    salt: Option<Blob>,
}

#[derive(Serialize, Deserialize)]
struct SavedPhone {
    online: bool,
    bundle: KeyBundle,
    signed: KeyPair,
    one_time: OneTimeKeys,
    app_key: AppStateKey,
    sessions: Vec<(String, Blob)>,
    #[serde(default)]
    sender_keys: SavedSenderKeys,
    log: SavedLog,
}

#[derive(Serialize, Deserialize)]
struct SavedDevice {
    number: u16,
    companion: Option<SavedCompanion>,
    counters: DeviceCounters,
    dropped: u64,
    queue: Vec<Blob>,
}

#[derive(Serialize, Deserialize)]
struct SavedCompanion {
    #[serde(with = "crate::bytes_text")]
    noise: [u8; 32],
    keys: Option<KeyBundle>,
    #[serde(with = "crate::bytes_text")]
    signed_identity: Vec<u8>,
    key_index: u32,
    shared_key: bool,
}

impl World {
    /// Copies the network. Blocks on each phone's sessions: call it off the runtime's own threads.
    pub(super) fn of(network: &Network) -> Self {
        let finished = network.stop.is_cancelled();
        let accounts = network.directory.all();
        let groups = network.groups.all();
        Self {
            trust: network.trust.clone(),
            finished,
            accounts: accounts.iter().map(|account| save(account)).collect(),
            groups: groups
                .iter()
                .map(|group| SavedGroup { id: group.id.clone(), state: group.with(|state| state.clone()) })
                .collect(),
            channels: network.channels.all(),
            pictures: network.pictures.save(),
        }
    }

    /// Takes back that a shutdown wrote it; whether one did.
    pub(super) fn begin(&mut self) -> bool {
        std::mem::take(&mut self.finished)
    }

    /// Makes a network of it and starts its phones. `finished` says whether a shutdown wrote it.
    pub(super) fn into_network(self, limits: Limits, finished: bool) -> Result<Arc<Network>, Error> {
        let network = Network::new(limits, self.trust);
        for saved in self.groups {
            network.groups.insert(Group::new(saved.id, saved.state), usize::MAX)?;
        }
        network.pictures.restore(self.pictures);
        for channel in self.channels {
            network.channels.restore(channel);
        }
        for saved in self.accounts {
            network.adopt(restore(saved, &network.limits, finished))?;
        }
        Ok(network)
    }
}

fn save(account: &Account) -> SavedAccount {
    let phone = &account.phone;
    // The log before the sessions: a session that has moved on is repaired by a retry, a lost record is not.
    let (sessions, sender_keys) = {
        let signal = phone.signal.blocking_lock();
        (signal.export(), signal.sender_keys.export())
    };
    let phone = SavedPhone {
        online: *phone.online.borrow(),
        bundle: phone.bundle.clone(),
        signed: phone.signed.clone(),
        one_time: held(&phone.one_time).clone(),
        app_key: phone.app_key.clone(),
        sessions: sessions.into_iter().map(|(address, bytes)| (address, Blob(bytes))).collect(),
        sender_keys,
        log: held(&phone.log).save(),
    };
    account.with(|state| SavedAccount {
        number: account.pn.clone(),
        lid: account.lid.clone(),
        name: state.name.clone(),
        about: state.about.clone(),
        identity: account.identity.clone(),
        raw_id: account.raw_id,
        phone,
        last_device: state.last_device,
        last_seen_s: state.last_seen_s,
        contacts: state.contacts.clone(),
        by_lid: state.by_lid.clone(),
        blocked: state.blocked.clone(),
        privacy: state.privacy.clone(),
        app_state: state.app_state.clone(),
        picture: state.picture.clone(),
        traits: state.traits.clone(),
        restriction: state.restriction,
        issued: state.issued.clone(),
        salt: Some(Blob(state.salt.to_vec())),
        devices: state.devices.iter().map(|(number, device)| save_device(*number, device)).collect(),
    })
}

fn save_device(number: u16, device: &Device) -> SavedDevice {
    SavedDevice {
        number,
        companion: device.companion.as_ref().map(|companion| SavedCompanion {
            noise: companion.noise,
            keys: companion.keys.clone(),
            signed_identity: companion.signed_identity.clone(),
            key_index: companion.key_index,
            shared_key: companion.shared_key,
        }),
        counters: device.counters,
        dropped: device.mailbox.dropped,
        queue: device.mailbox.nodes().filter_map(|node| marshal(node).ok()).map(Blob).collect(),
    }
}

/// Without `finished` the phone forgets its sessions: clients drop what an older state of a session encrypts, while a
/// new session is always taken, and what they encrypt under the old one they are asked to send again.
fn restore(saved: SavedAccount, limits: &Limits, finished: bool) -> Arc<Account> {
    let phone = saved.phone;
    let log = PhoneLog::restored(phone.log, limits);
    let one_time = Arc::new(Mutex::new(phone.one_time));
    let mut core = PhoneCore::assemble(&saved.identity, phone.bundle, phone.signed, one_time, phone.app_key, log);
    let sessions = phone.sessions.into_iter().map(|(address, Blob(bytes))| (address, bytes)).collect();
    if finished {
        core.signal.get_mut().import(sessions);
        core.signal.get_mut().sender_keys.import(phone.sender_keys);
    }
    core.online.send_replace(phone.online);
    let mut state = AccountState::new(saved.name);
    state.about = saved.about;
    state.last_device = saved.last_device;
    state.last_seen_s = saved.last_seen_s;
    state.contacts = saved.contacts;
    state.by_lid = saved.by_lid;
    state.blocked = saved.blocked;
    state.privacy = saved.privacy;
    state.app_state = saved.app_state;
    state.picture = saved.picture;
    state.traits = saved.traits;
    state.restriction = saved.restriction;
    state.issued = saved.issued;
    if let Some(salt) = saved.salt.and_then(|Blob(salt)| salt.try_into().ok()) {
        state.salt = salt;
    }
    state.devices = saved.devices.into_iter().map(|device| (device.number, restore_device(device))).collect();
    Arc::new(Account::new(saved.number, saved.lid, saved.identity, saved.raw_id, core, state))
}

fn restore_device(saved: SavedDevice) -> Device {
    let mut mailbox = Mailbox::restored(saved.queue.into_iter().filter_map(|Blob(bytes)| read_node(bytes)).collect());
    mailbox.dropped = saved.dropped;
    Device {
        mailbox,
        companion: saved.companion.map(|companion| Companion {
            noise: companion.noise,
            keys: companion.keys,
            signed_identity: companion.signed_identity,
            key_index: companion.key_index,
            shared_key: companion.shared_key,
            asked_for_keys: false,
        }),
        available: false,
        counters: saved.counters,
    }
}

/// Reads a stanza as `marshal` wrote it: one flag byte, then the node.
fn read_node(bytes: Vec<u8>) -> Option<Node> {
    let bytes: VecDeque<u8> = bytes.into();
    let plain: Vec<u8> = bytes.into_iter().skip(1).collect();
    OwnedNodeRef::new(plain).ok().map(|node| node.to_owned_node())
}
