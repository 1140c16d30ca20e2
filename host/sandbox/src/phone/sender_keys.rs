//! A phone's keys for chats of many: its own, with who has them, and those of others.
//!
//! Names are chosen here, as those of Signal sessions: chat, then phone number and device.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use whatsapp_rust::async_trait;
use whatsapp_rust::wacore::libsignal::protocol::{
    ProtocolAddress, SenderKeyDistributionMessage, SenderKeyName, SenderKeyRecord, SenderKeyStore, SignalProtocolError,
    create_sender_key_distribution_message, group_decrypt, group_encrypt, process_sender_key_distribution_message,
};

use crate::identity::rng;

type Outcome<T> = Result<T, SignalProtocolError>;

#[derive(Default)]
struct Records(HashMap<String, SenderKeyRecord>);

/// All sender keys of one phone.
#[derive(Default)]
pub(crate) struct SenderKeys {
    records: Records,
    /// Devices that have the phone's own key, by chat.
    given: BTreeMap<String, BTreeSet<String>>,
}

/// Sender keys as the snapshot keeps them.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct SavedSenderKeys {
    records: Vec<(String, Vec<u8>)>,
    given: BTreeMap<String, BTreeSet<String>>,
}

fn name(chat: &str, sender: &ProtocolAddress) -> SenderKeyName {
    SenderKeyName::from_parts(chat, &sender.to_string())
}

impl SenderKeys {
    /// Which of these devices do not have the phone's key yet. When a device that has it is no longer among them, the
    /// key is thrown away first, so that whoever left cannot read on.
    pub(crate) fn missing(
        &mut self,
        chat: &str,
        own: &ProtocolAddress,
        devices: &[ProtocolAddress],
    ) -> Vec<ProtocolAddress> {
        let all: BTreeSet<String> = devices.iter().map(ToString::to_string).collect();
        let given = self.given.entry(chat.to_owned()).or_default();
        if !given.is_subset(&all) {
            given.clear();
            self.records.0.remove(name(chat, own).cache_key());
        }
        devices.iter().filter(|device| !given.contains(&device.to_string())).cloned().collect()
    }

    /// Remembers that a device has been sent the phone's key.
    pub(crate) fn gave(&mut self, chat: &str, device: &ProtocolAddress) {
        self.given.entry(chat.to_owned()).or_default().insert(device.to_string());
    }

    /// The phone's own key for others, made when there is none.
    pub(crate) async fn own(&mut self, chat: &str, own: &ProtocolAddress) -> Outcome<Vec<u8>> {
        let key = create_sender_key_distribution_message(&name(chat, own), &mut self.records, &mut rng()).await?;
        Ok(key.as_ref().to_vec())
    }

    /// Takes another's key.
    pub(crate) async fn take(&mut self, chat: &str, sender: &ProtocolAddress, key: &[u8]) -> Outcome<()> {
        let key = SenderKeyDistributionMessage::try_from(key)?;
        process_sender_key_distribution_message(&name(chat, sender), &key, &mut self.records).await
    }

    /// Encrypts padded plaintext with the phone's own key.
    pub(crate) async fn encrypt(&mut self, chat: &str, own: &ProtocolAddress, plain: &[u8]) -> Outcome<Vec<u8>> {
        let sealed = group_encrypt(&mut self.records, &name(chat, own), plain, &mut rng()).await?;
        Ok(sealed.serialized().to_vec())
    }

    /// Decrypts to padded plaintext with another's key.
    pub(crate) async fn decrypt(&mut self, chat: &str, sender: &ProtocolAddress, sealed: &[u8]) -> Outcome<Vec<u8>> {
        group_decrypt(sealed, &mut self.records, &name(chat, sender)).await
    }

    /// Copies the keys out.
    pub(crate) fn export(&self) -> SavedSenderKeys {
        let records = self.records.0.iter();
        SavedSenderKeys {
            records: records.filter_map(|(name, record)| Some((name.clone(), record.serialize().ok()?))).collect(),
            given: self.given.clone(),
        }
    }

    /// Puts exported keys back; an unreadable one is left out, and its owner will be asked to send it again.
    pub(crate) fn import(&mut self, saved: SavedSenderKeys) {
        self.records.0 = saved
            .records
            .into_iter()
            .filter_map(|(name, bytes)| Some((name, SenderKeyRecord::deserialize(&bytes).ok()?)))
            .collect();
        self.given = saved.given;
    }
}

#[async_trait]
impl SenderKeyStore for Records {
    async fn store_sender_key(&mut self, name: &SenderKeyName, record: SenderKeyRecord) -> Outcome<()> {
        self.0.insert(name.cache_key().to_owned(), record);
        Ok(())
    }

    async fn load_sender_key(&self, name: &SenderKeyName) -> Outcome<Option<SenderKeyRecord>> {
        Ok(self.0.get(name.cache_key()).cloned())
    }
}
