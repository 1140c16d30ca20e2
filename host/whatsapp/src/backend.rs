//! The protocol library's storage over the core's `KeyRecords`: one [`Backend`] is one device.
//!
//! Here are the sealing, the writing rules and the names of the records; what each record means is in the files below, one
//! per trait of the library. Values are sealed for their place (device, kind, id) before they leave; a batch of the library
//! is one write list.
//!
//! Two rules keep a device's records whole. Sequences that read before they write hold `exclusive`, and so does every other
//! writer of those kinds. And a session that ended is fenced off: after [`Backend::retire`] nothing is written any more, so
//! a straggling task of the library can't bring back keys that were wiped or that a newer session changed.

mod app_sync;
mod device;
mod msg_secret;
mod protocol;
mod signal;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use portico_core::error::Error;
use portico_core::id::DeviceId;
use portico_core::ports::keys::{KeyRecord, seal_place};
use portico_core::ports::{Clock, KeyRecords, KeyWrite};
use portico_core::seal::Sealer;
use portico_core::time::UtcMs;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, MutexGuard, RwLock};
use whatsapp_rust::wacore::store::error::{Result, StoreError};

/// How long a sent message is kept for a recipient who asks for it again: as long as the library asks for it.
pub(crate) const SENT_TTL: Duration = Duration::from_secs(7_200);
/// How long a message waits for its commit: as long as the library waits for WhatsApp to deliver it again.
const PENDING_TTL: Duration = Duration::from_secs(7 * 24 * 3600);

/// Wait after the storage did not answer; doubled after each further time, up to the maximum.
const INSIST_WAIT: Duration = Duration::from_millis(100);
const INSIST_WAIT_MAX: Duration = Duration::from_secs(2);

/// The kinds of records.
mod kind {
    pub(super) const BASE_KEY: &str = "base_key";
    pub(super) const DEVICE: &str = "device";
    pub(super) const DEVICE_LIST: &str = "device_list";
    pub(super) const GROUP: &str = "group";
    pub(super) const IDENTITY: &str = "identity";
    pub(super) const LID: &str = "lid";
    pub(super) const LID_OF_PN: &str = "lid_of_pn";
    pub(super) const MAC: &str = "mutation_mac";
    pub(super) const MSG_SECRET: &str = "msg_secret";
    pub(super) const PENDING: &str = "pending_inbound";
    pub(super) const PRE_KEY: &str = "pre_key";
    pub(super) const SENDER_KEY: &str = "sender_key";
    pub(super) const SENDER_KEY_DEVICE: &str = "sender_key_device";
    pub(super) const SENT: &str = "sent_message";
    pub(super) const SESSION: &str = "session";
    pub(super) const SIGNED_PRE_KEY: &str = "signed_pre_key";
    pub(super) const SYNC_KEY: &str = "sync_key";
    pub(super) const SYNC_KEY_LATEST: &str = "sync_key_latest";
    pub(super) const TC_TOKEN: &str = "tc_token";
    pub(super) const VERSION: &str = "sync_version";
}

/// The id of records there is one of per device.
const ONLY: &str = "only";

/// All that one device's session remembers.
pub(crate) struct Backend {
    device: DeviceId,
    records: Arc<dyn KeyRecords>,
    sealer: Sealer,
    clock: Arc<dyn Clock>,
    /// Whether writing is over. Writers hold it for reading while they write, so retiring waits for them.
    retired: RwLock<bool>,
    exclusive: Mutex<()>,
}

impl Backend {
    pub(crate) fn new(device: DeviceId, records: Arc<dyn KeyRecords>, sealer: Sealer, clock: Arc<dyn Clock>) -> Self {
        Self { device, records, sealer, clock, retired: RwLock::new(false), exclusive: Mutex::new(()) }
    }

    /// Lets no write through from here on; waits for those under way.
    pub(crate) async fn retire(&self) {
        *self.retired.write().await = true;
    }

    /// Retires and removes everything the device remembers.
    pub(crate) async fn wipe(&self) -> portico_core::error::Result<()> {
        let mut retired = self.retired.write().await;
        *retired = true;
        self.records.wipe(&self.device).await
    }

    /// Keeps other read-then-write sequences out while it is held.
    async fn exclusively(&self) -> MutexGuard<'_, ()> {
        self.exclusive.lock().await
    }

    fn now(&self) -> UtcMs {
        self.clock.now()
    }

    fn open(&self, kind: &str, id: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        self.sealer.open(&seal_place(&self.device, kind, id), sealed).map_err(database)
    }

    fn opened(&self, kind: &str, record: KeyRecord) -> Result<(String, Vec<u8>)> {
        let value = self.open(kind, &record.id, &record.value)?;
        Ok((record.id, value))
    }

    /// Does `call` until the storage answers, or until the session is over: the library takes a key that can't be read for a
    /// message that can't be read, and tells WhatsApp to drop it.
    async fn insist<T, Fut>(&self, call: impl Fn() -> Fut) -> Result<T>
    where
        Fut: Future<Output = portico_core::error::Result<T>>,
    {
        let mut wait = INSIST_WAIT;
        loop {
            match call().await {
                Err(Error::Unavailable { .. }) if !*self.retired.read().await => {
                    tracing::warn!(device.id = %self.device, "the keys of a session can't be read or stored and are tried again");
                    tokio::time::sleep(wait).await;
                    wait = (2 * wait).min(INSIST_WAIT_MAX);
                }
                done => return done.map_err(database),
            }
        }
    }

    async fn read(&self, kind: &'static str, id: &str) -> Result<Option<Vec<u8>>> {
        let found = self.insist(|| self.records.get(&self.device, kind, id)).await?;
        found.map(|sealed| self.open(kind, id, &sealed)).transpose()
    }

    async fn read_json<T: DeserializeOwned>(&self, kind: &'static str, id: &str) -> Result<Option<T>> {
        self.read(kind, id).await?.map(|bytes| from_json(&bytes)).transpose()
    }

    async fn read_many(&self, kind: &'static str, ids: &[String]) -> Result<Vec<(String, Vec<u8>)>> {
        let found = self.insist(|| self.records.get_many(&self.device, kind, ids)).await?;
        found.into_iter().map(|record| self.opened(kind, record)).collect()
    }

    async fn list(&self, kind: &'static str, prefix: &str) -> Result<Vec<(String, Vec<u8>)>> {
        let found = self.records.list(&self.device, kind, prefix).await.map_err(database)?;
        found.into_iter().map(|record| self.opened(kind, record)).collect()
    }

    /// Like [`Self::list`] without opening the values.
    async fn list_ids(&self, kind: &'static str, prefix: &str) -> Result<Vec<String>> {
        let found = self.records.list(&self.device, kind, prefix).await.map_err(database)?;
        Ok(found.into_iter().map(|record| record.id).collect())
    }

    async fn take(&self, kind: &'static str, id: &str) -> Result<Option<Vec<u8>>> {
        let _writing = self.writing().await?;
        let found = self.records.take(&self.device, kind, id).await.map_err(database)?;
        found.map(|sealed| self.open(kind, id, &sealed)).transpose()
    }

    async fn write(&self, writes: Vec<KeyWrite>) -> Result<()> {
        if writes.is_empty() {
            return Ok(());
        }
        let _writing = self.writing().await?;
        self.records.apply(&self.device, writes).await.map_err(database)
    }

    /// As [`Self::write`], until the storage takes it: for what must be stored before WhatsApp may hear of it.
    async fn write_at_last(&self, writes: Vec<KeyWrite>) -> Result<()> {
        self.insist(|| async {
            match self.writing().await {
                Ok(_writing) => self.records.apply(&self.device, writes.clone()).await.map(Ok),
                Err(over) => Ok(Err(over)),
            }
        })
        .await?
    }

    async fn purge(&self, kind: &'static str, until: UtcMs) -> Result<u32> {
        let _writing = self.writing().await?;
        let removed = self.records.purge(&self.device, kind, until).await.map_err(database)?;
        Ok(u32::try_from(removed).unwrap_or(u32::MAX))
    }

    /// The right to write, until it is dropped.
    async fn writing(&self) -> Result<tokio::sync::RwLockReadGuard<'_, bool>> {
        let retired = self.retired.read().await;
        if *retired {
            let why = "the session has ended; its successor writes now";
            return Err(StoreError::Connection(why.into()));
        }
        Ok(retired)
    }

    fn put(&self, kind: &'static str, id: impl Into<String>, plain: &[u8]) -> Result<KeyWrite> {
        self.put_until(kind, id, plain, None)
    }

    fn put_json<T: Serialize>(&self, kind: &'static str, id: impl Into<String>, value: &T) -> Result<KeyWrite> {
        self.put(kind, id, &to_json(value)?)
    }

    fn put_until(
        &self,
        kind: &'static str,
        id: impl Into<String>,
        plain: &[u8],
        expires: Option<UtcMs>,
    ) -> Result<KeyWrite> {
        let id = id.into();
        let value = self.sealer.seal(&seal_place(&self.device, kind, &id), plain).map_err(database)?;
        Ok(KeyWrite::Put { kind, id, value, expires })
    }
}

fn delete(kind: &'static str, id: impl Into<String>) -> KeyWrite {
    KeyWrite::Delete { kind, id: id.into() }
}

fn delete_prefix(kind: &'static str, prefix: impl Into<String>) -> KeyWrite {
    KeyWrite::DeletePrefix { kind, prefix: prefix.into() }
}

/// One id from parts of which some come from other people's phones and may hold anything: equal parts give an equal id of
/// 32 characters, whatever is in them.
fn id_of(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(&hash.finalize()[..16])
}

/// When a record stored `ttl` before its expiry is old enough for the library's `cutoff` (it means: stored before, in
/// seconds), as the time to purge up to.
fn purge_time(cutoff: i64, ttl: Duration) -> UtcMs {
    let stored_before = UtcMs(cutoff.saturating_mul(1000));
    UtcMs((stored_before + ttl).0.saturating_sub(1))
}

/// JSON, because the library adds fields with defaults to these types: what was written stays readable.
fn to_json<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| StoreError::Serialization(Box::new(e)))
}

fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|e| StoreError::Serialization(Box::new(e)))
}

fn database(error: portico_core::error::Error) -> StoreError {
    StoreError::Database(Box::new(error))
}

fn invalid(what: &str) -> StoreError {
    StoreError::Validation(what.to_owned())
}
