//! The virtual phone: the primary device of an account, run by the sandbox itself.
//!
//! It has its own Signal identity, takes part in the network as device 0 with a queue like any other device's, and
//! keeps a log of what it saw and sent. [`run`] connects it, [`receive`] and [`send`] exchange messages,
//! [`companions`] links devices and shares keys with them, [`handle`] is the interface for tests.

mod acts;
mod changes;
pub(crate) mod companions;
pub(crate) mod content;
pub(crate) mod event;
pub(crate) mod handle;
pub(crate) mod inbox;
pub(crate) mod media;
pub(crate) mod receive;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod send;
pub(crate) mod signal;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use whatsapp_rust::buffa::{Message as _, MessageField};
use whatsapp_rust::wacore::appstate::encode::encode_record;
use whatsapp_rust::wacore::appstate::hash::{HashState, generate_patch_mac};
use whatsapp_rust::wacore::appstate::keys::expand_app_state_keys;
use whatsapp_rust::wacore::libsignal::protocol::{CurveError, KeyPair};
use whatsapp_rust::waproto::whatsapp as wa;

use crate::app_state::AppState;
use crate::clock::now_ms;
use crate::identity::{key_pair, public_bytes, random, sign};
use crate::keys::{KEY_TYPE, KeyBundle, OneTimeKey, SignedKey};
use crate::sync::held;
use crate::{Error, Limits};
use inbox::PhoneLog;
use signal::{OneTimeKeys, Signal};

/// The collection that carries the push name.
const PUSH_NAME_COLLECTION: &str = "critical_block";
/// The id of the phone's only signed key.
const SIGNED_KEY_ID: u32 = 1;

/// The key that seals an account's app state; linked devices get it from the phone.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct AppStateKey {
    #[serde(with = "crate::bytes_text")]
    pub(crate) id: [u8; 6],
    #[serde(with = "crate::bytes_text")]
    pub(crate) key: [u8; 32],
}

/// A phone's keys, sessions and log.
pub(crate) struct PhoneCore {
    /// The lasting part of the phone's public keys.
    pub(crate) bundle: KeyBundle,
    pub(crate) signed: KeyPair,
    pub(crate) one_time: Arc<Mutex<OneTimeKeys>>,
    pub(crate) app_key: AppStateKey,
    /// Signal sessions. Held while encrypting or decrypting one message.
    pub(crate) signal: tokio::sync::Mutex<Signal>,
    pub(crate) log: Mutex<PhoneLog>,
    /// The newest event's number; readers wait on it.
    pub(crate) newest: watch::Sender<u64>,
    /// Whether the phone is to be connected.
    pub(crate) online: watch::Sender<bool>,
}

impl PhoneCore {
    /// A new phone for an identity.
    pub(crate) fn generate(identity: &KeyPair, limits: &Limits) -> Result<Self, CurveError> {
        let signed = key_pair();
        let signed_bytes = [&[KEY_TYPE][..], &public_bytes(&signed)].concat();
        let bundle = KeyBundle {
            // Registration ids have 14 bits and are not 0.
            registration: 1 + u32::from(u16::from_be_bytes(random()) % 16_380),
            identity: public_bytes(identity),
            signed: SignedKey {
                id: SIGNED_KEY_ID,
                public: public_bytes(&signed),
                signature: sign(identity, &signed_bytes)?,
            },
            one_time: VecDeque::new(),
        };
        let app_key = AppStateKey { id: random(), key: random() };
        let one_time = Arc::new(Mutex::new(OneTimeKeys::default()));
        Ok(Self::assemble(identity, bundle, signed, one_time, app_key, PhoneLog::new(limits)))
    }

    /// A phone from its parts, with no sessions yet, online.
    pub(crate) fn assemble(
        identity: &KeyPair,
        bundle: KeyBundle,
        signed: KeyPair,
        one_time: Arc<Mutex<OneTimeKeys>>,
        app_key: AppStateKey,
        log: PhoneLog,
    ) -> Self {
        let signal = Signal::new(identity, &bundle, &signed, Arc::clone(&one_time));
        Self {
            bundle,
            signed,
            one_time,
            app_key,
            signal: tokio::sync::Mutex::new(signal),
            newest: watch::Sender::new(log.newest()),
            log: Mutex::new(log),
            online: watch::Sender::new(true),
        }
    }

    /// The phone's keys with a one-time key made for this caller, so a phone never runs out.
    pub(crate) fn hand_out_keys(&self, limits: &Limits) -> (KeyBundle, OneTimeKey) {
        (self.bundle.clone(), held(&self.one_time).hand_out(limits.phone_keys_max))
    }

    /// Reads or changes the log, waking readers when it grew.
    pub(crate) fn with_log<T>(&self, action: impl FnOnce(&mut PhoneLog) -> T) -> T {
        let (outcome, newest) = {
            let mut log = held(&self.log);
            let outcome = action(&mut log);
            (outcome, log.newest())
        };
        self.newest.send_if_modified(|seen| std::mem::replace(seen, newest.max(*seen)) < newest);
        outcome
    }

    /// The app state a new account begins with: its push name, so that the first login of a companion has one.
    pub(crate) fn initial_app_state(&self, name: &str) -> Result<AppState, Error> {
        let keys = expand_app_state_keys(&self.app_key.key);
        let value = wa::SyncActionValue {
            timestamp: Some(i64::try_from(now_ms()).unwrap_or(i64::MAX)),
            push_name_setting: MessageField::some(wa::sync_action_value::PushNameSetting {
                name: Some(name.to_owned()),
            }),
            ..Default::default()
        };
        let set = wa::syncd_mutation::SyncdOperation::SET;
        let index = br#"["setting_pushName"]"#;
        let (mutation, _) = encode_record(set, index, &value, &keys, &self.app_key.id, &random(), 1);
        let mut hash = HashState { version: 1, ..HashState::default() };
        let (_, updated) = hash.update_hash(std::slice::from_ref(&mutation), |_, _| Ok(None));
        updated.map_err(|_| Error::Invalid { why: "the push name cannot be written as app state" })?;
        let mut patch = wa::SyncdPatch {
            snapshot_mac: Some(hash.generate_snapshot_mac(PUSH_NAME_COLLECTION, &keys.snapshot_mac)),
            key_id: MessageField::some(wa::KeyId { id: Some(self.app_key.id.to_vec()) }),
            mutations: vec![mutation],
            ..Default::default()
        };
        patch.patch_mac = Some(generate_patch_mac(&patch, PUSH_NAME_COLLECTION, &keys.patch_mac, 1));
        let mut state = AppState::default();
        state
            .append(PUSH_NAME_COLLECTION, 0, &patch.encode_to_vec(), usize::MAX)
            .map_err(|_| Error::Invalid { why: "the push name cannot be kept as app state" })?;
        Ok(state)
    }
}
