//! The virtual phone: the primary device of an account, run by the sandbox itself.
//!
//! It has its own Signal identity, takes part in the network as device 0 with a queue like any other device's, and
//! keeps a log of what it saw and sent. [`run`] connects it, [`receive`] and [`send`] exchange messages,
//! [`companions`] links devices and shares keys with them, [`handle`] is the interface for tests.

mod acts;
pub(crate) mod app_state;
mod changes;
pub(crate) mod chat_settings;
pub(crate) mod companions;
pub(crate) mod content;
mod describe;
pub(crate) mod event;
mod group_send;
pub(crate) mod groups;
pub(crate) mod handle;
mod history;
pub(crate) mod inbox;
pub(crate) mod media;
mod peer;
pub(crate) mod receive;
pub(crate) mod report;
mod resend;
pub(crate) mod reupload;
pub(crate) mod run;
pub(crate) mod script;
pub(crate) mod send;
pub(crate) mod sender_keys;
pub(crate) mod signal;
pub(crate) mod troubles;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use whatsapp_rust::buffa::MessageField;
use whatsapp_rust::wacore::appstate::schemas::{self, Schema};
use whatsapp_rust::wacore::libsignal::protocol::{CurveError, KeyPair};
use whatsapp_rust::waproto::whatsapp as wa;
use whatsapp_rust::waproto::whatsapp::sync_action_value::{NctSaltSyncAction, PushNameSetting};

use crate::account::AccountState;
use crate::app_state::AppState;
use crate::clock::now_ms;
use crate::identity::{key_pair, public_bytes, random, sign};
use crate::keys::{KEY_TYPE, KeyBundle, OneTimeKey, SignedKey};
use crate::sync::held;
use crate::{Error, Limits};
use inbox::PhoneLog;
use script::Running;
use signal::{OneTimeKeys, Signal};

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
    /// What the phone does by itself.
    pub(crate) script: Mutex<Option<Running>>,
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
            script: Mutex::new(None),
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

    /// The app state a new account begins with: its push name, so that the first login of a companion has one, and the
    /// salt of its tokens when its traits say so.
    pub(crate) fn initial_app_state(&self, state: &AccountState, limits: &Limits) -> Result<AppState, Error> {
        let timestamp = i64::try_from(now_ms()).ok();
        let mut written = AppState::default();
        let mut write = |schema: &Schema, value: &wa::SyncActionValue| {
            let version = i32::try_from(schema.version).unwrap_or(1);
            let (collection, max) = (schema.collection.as_str(), limits.app_state_patches_max);
            app_state::write(&mut written, &self.app_key, collection, &[schema.name], value, version, max)
        };
        let name = PushNameSetting { name: Some(state.name.clone()) };
        let value =
            wa::SyncActionValue { timestamp, push_name_setting: MessageField::some(name), ..Default::default() };
        write(&schemas::SETTING_PUSH_NAME, &value)?;
        if state.traits.salt_by_app_state {
            let salt = NctSaltSyncAction { salt: Some(state.salt.to_vec()) };
            let nct_salt_sync_action = MessageField::some(salt);
            let value = wa::SyncActionValue { timestamp, nct_salt_sync_action, ..Default::default() };
            write(&schemas::NCT_SALT_SYNC, &value)?;
        }
        Ok(written)
    }
}
