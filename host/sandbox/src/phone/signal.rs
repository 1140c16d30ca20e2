//! A phone's Signal state: sessions, its identity, its pre-keys. All in memory; [`crate::persist`] copies it out.
//!
//! Sessions are named after phone number and device, whichever space a stanza used: the name is local to this store.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use whatsapp_rust::async_trait;
use whatsapp_rust::wacore::libsignal::protocol::{
    CiphertextMessage, CiphertextMessageType, Direction, GenericSignedPreKey, IdentityChange, IdentityKey,
    IdentityKeyPair, IdentityKeyStore, KeyPair, PreKeyBundle, PreKeyId, PreKeyRecord, PreKeySignalMessage, PreKeyStore,
    ProtocolAddress, SessionRecord, SessionStore, SignalMessage, SignalProtocolError, SignedPreKeyId,
    SignedPreKeyRecord, SignedPreKeyStore, Timestamp, UsePQRatchet, message_decrypt, message_encrypt,
    process_prekey_bundle,
};
use whatsapp_rust::wacore::types::jid::JidExt;

use super::sender_keys::SenderKeys;
use crate::account::Account;
use crate::identity::{key_pair, public_bytes, rng};
use crate::keys::{KeyBundle, OneTimeKey};
use crate::sync::held;

type Outcome<T> = Result<T, SignalProtocolError>;

/// One-time keys a phone has handed out, with their private halves.
#[derive(Default, Clone, Serialize, Deserialize)]
pub(crate) struct OneTimeKeys {
    last_id: u32,
    handed_out: BTreeMap<u32, KeyPair>,
}

impl OneTimeKeys {
    /// Makes a key for one caller; beyond the limit the oldest unused one is forgotten.
    pub(crate) fn hand_out(&mut self, keys_max: usize) -> OneTimeKey {
        // Ids have 24 bits on the wire.
        self.last_id = (self.last_id + 1) & 0x00FF_FFFF;
        let pair = key_pair();
        let key = OneTimeKey { id: self.last_id, public: public_bytes(&pair) };
        self.handed_out.insert(self.last_id, pair);
        while self.handed_out.len() > keys_max.max(1) {
            self.handed_out.pop_first();
        }
        key
    }
}

#[derive(Default)]
struct Sessions(HashMap<String, SessionRecord>);

struct Identity {
    pair: IdentityKeyPair,
    registration: u32,
}

struct OneTimeStore(Arc<Mutex<OneTimeKeys>>);

struct SignedStore {
    id: u32,
    pair: KeyPair,
    signature: Vec<u8>,
}

/// Everything a phone needs to encrypt and decrypt.
pub(crate) struct Signal {
    sessions: Sessions,
    identity: Identity,
    one_time: OneTimeStore,
    signed: SignedStore,
    /// Keys for chats of many.
    pub(crate) sender_keys: SenderKeys,
}

/// The `type` of an `<enc>`: whether it begins a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum EncKind {
    PreKey,
    Plain,
}

impl EncKind {
    /// The word on the wire.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::PreKey => "pkmsg",
            Self::Plain => "msg",
        }
    }

    /// Reads the word; other kinds (group keys) are not for this store.
    pub(crate) fn read(word: &str) -> Option<Self> {
        match word {
            "pkmsg" => Some(Self::PreKey),
            "msg" => Some(Self::Plain),
            _ => None,
        }
    }
}

/// The name under which a device's session is kept.
pub(crate) fn address(account: &Account, device: u16) -> ProtocolAddress {
    account.pn_jid(device).to_protocol_address()
}

impl Signal {
    pub(crate) fn new(
        identity: &KeyPair,
        bundle: &KeyBundle,
        signed: &KeyPair,
        one_time: Arc<Mutex<OneTimeKeys>>,
    ) -> Self {
        let pair = IdentityKeyPair::new(IdentityKey::new(identity.public_key), identity.private_key.clone());
        Self {
            sessions: Sessions::default(),
            identity: Identity { pair, registration: bundle.registration },
            one_time: OneTimeStore(one_time),
            signed: SignedStore {
                id: bundle.signed.id,
                pair: signed.clone(),
                signature: bundle.signed.signature.clone(),
            },
            sender_keys: SenderKeys::default(),
        }
    }

    /// True when a message to this address needs no key bundle.
    pub(crate) fn has_session(&self, to: &ProtocolAddress) -> bool {
        self.sessions.0.contains_key(&to.to_string())
    }

    /// Begins a session, archiving an earlier one.
    pub(crate) async fn begin(&mut self, to: &ProtocolAddress, bundle: &PreKeyBundle) -> Outcome<()> {
        let Self { sessions, identity, .. } = self;
        process_prekey_bundle(to, sessions, identity, bundle, &mut rng(), UsePQRatchet::No).await?;
        Ok(())
    }

    /// Encrypts padded plaintext.
    pub(crate) async fn encrypt(&mut self, to: &ProtocolAddress, plain: &[u8]) -> Outcome<(EncKind, Vec<u8>)> {
        let sealed = message_encrypt(plain, to, &mut self.sessions, &mut self.identity).await?;
        let kind = match sealed.message_type() {
            CiphertextMessageType::PreKey => EncKind::PreKey,
            _ => EncKind::Plain,
        };
        Ok((kind, sealed.serialize().to_vec()))
    }

    /// Decrypts to padded plaintext.
    pub(crate) async fn decrypt(&mut self, from: &ProtocolAddress, kind: EncKind, sealed: &[u8]) -> Outcome<Vec<u8>> {
        let sealed = match kind {
            EncKind::PreKey => CiphertextMessage::PreKeySignalMessage(PreKeySignalMessage::try_from(sealed)?),
            EncKind::Plain => CiphertextMessage::SignalMessage(SignalMessage::try_from(sealed)?),
        };
        let Self { sessions, identity, one_time, signed, .. } = self;
        let opened =
            message_decrypt(&sealed, from, sessions, identity, one_time, signed, &mut rng(), UsePQRatchet::No).await?;
        Ok(opened.plaintext.to_vec())
    }

    /// Copies the sessions out.
    pub(crate) fn export(&self) -> Vec<(String, Vec<u8>)> {
        let records = self.sessions.0.iter();
        records.filter_map(|(address, record)| Some((address.clone(), record.serialize().ok()?))).collect()
    }

    /// Puts exported sessions back; an unreadable one is left out, and its peer will be asked to begin anew.
    pub(crate) fn import(&mut self, sessions: Vec<(String, Vec<u8>)>) {
        self.sessions.0 = sessions
            .into_iter()
            .filter_map(|(address, bytes)| Some((address, SessionRecord::deserialize(&bytes).ok()?)))
            .collect();
    }

    /// Forgets the session with one address, as a phone that lost its storage would.
    pub(crate) fn forget(&mut self, address: &ProtocolAddress) -> bool {
        self.sessions.0.remove(&address.to_string()).is_some()
    }
}

#[async_trait]
impl SessionStore for Sessions {
    async fn load_session(&self, address: &ProtocolAddress) -> Outcome<Option<SessionRecord>> {
        Ok(self.0.get(&address.to_string()).cloned())
    }

    async fn has_session(&self, address: &ProtocolAddress) -> Outcome<bool> {
        Ok(self.0.contains_key(&address.to_string()))
    }

    async fn store_session(&mut self, address: &ProtocolAddress, record: SessionRecord) -> Outcome<()> {
        self.0.insert(address.to_string(), record);
        Ok(())
    }
}

/// A phone trusts every identity: it is a test instrument, and peers may be reset at will.
#[async_trait]
impl IdentityKeyStore for Identity {
    async fn get_identity_key_pair(&self) -> Outcome<IdentityKeyPair> {
        Ok(self.pair.clone())
    }

    async fn get_local_registration_id(&self) -> Outcome<u32> {
        Ok(self.registration)
    }

    async fn save_identity(&mut self, _: &ProtocolAddress, _: &IdentityKey) -> Outcome<IdentityChange> {
        Ok(IdentityChange::NewOrUnchanged)
    }

    async fn is_trusted_identity(&self, _: &ProtocolAddress, _: &IdentityKey, _: Direction) -> Outcome<bool> {
        Ok(true)
    }

    async fn get_identity(&self, _: &ProtocolAddress) -> Outcome<Option<IdentityKey>> {
        Ok(None)
    }
}

#[async_trait]
impl PreKeyStore for OneTimeStore {
    async fn get_pre_key(&self, id: PreKeyId) -> Outcome<PreKeyRecord> {
        let keys = held(&self.0);
        let pair = keys.handed_out.get(&u32::from(id)).ok_or(SignalProtocolError::InvalidPreKeyId)?;
        Ok(PreKeyRecord::new(id, pair))
    }

    async fn save_pre_key(&mut self, _: PreKeyId, _: &PreKeyRecord) -> Outcome<()> {
        Ok(())
    }

    async fn remove_pre_key(&mut self, id: PreKeyId) -> Outcome<()> {
        held(&self.0).handed_out.remove(&u32::from(id));
        Ok(())
    }
}

#[async_trait]
impl SignedPreKeyStore for SignedStore {
    async fn get_signed_pre_key(&self, id: SignedPreKeyId) -> Outcome<SignedPreKeyRecord> {
        if u32::from(id) != self.id {
            return Err(SignalProtocolError::InvalidSignedPreKeyId);
        }
        Ok(SignedPreKeyRecord::new(id, Timestamp::from_epoch_millis(0), &self.pair, &self.signature))
    }

    async fn save_signed_pre_key(&mut self, _: SignedPreKeyId, _: &SignedPreKeyRecord) -> Outcome<()> {
        Ok(())
    }
}
