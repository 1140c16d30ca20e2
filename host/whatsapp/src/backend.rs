//! The protocol library's storage over the core's `KeyRecords`: one [`Backend`] is one device.
//!
//! Here are the sealing, the writing rules and the names of the records; what each record means is in the files below, one
//! per trait of the library. Values are sealed for their place (device, kind, id) before they leave; a batch of the library
//! is one write list, and so is everything that was deferred until then ([`deferred`]).
//!
//! Two rules keep a device's records whole. Sequences that read before they write hold `exclusive`, and so does every other
//! writer of those kinds. And a session that ended can't write: after [`Backend::retire`] every write fails, so a late task of
//! the library can't bring back keys that were removed or that a newer session changed.

mod app_sync;
mod cache;
mod deferred;
mod device;
mod msg_secret;
mod protocol;
mod signal;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::{Arc, Weak};
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
use tokio::sync::{Mutex, MutexGuard};
use whatsapp_rust::wacore::store::error::{Result, StoreError};

use cache::RecordCache;
use deferred::{Change, DEFER_TIME, Deferred, Found, Then};

/// How long a sent message is kept for a recipient who asks for it again: as long as the library asks for it.
pub(crate) const SENT_TTL: Duration = Duration::from_secs(7_200);
/// How long a message waits for its commit: as long as the library waits for WhatsApp to deliver it again.
const PENDING_TTL: Duration = Duration::from_secs(7 * 24 * 3600);

/// Wait after the store did not answer; doubled after each further time, up to the maximum.
const RETRY_WAIT: Duration = Duration::from_millis(100);
const RETRY_WAIT_MAX: Duration = Duration::from_secs(2);
/// How long writing what was deferred may take when the session ends.
pub(crate) const RETIRE_TIMEOUT: Duration = Duration::from_millis(400);

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

/// All that one device's session must remember.
pub(crate) struct Backend {
    device: DeviceId,
    records: Arc<dyn KeyRecords>,
    sealer: Sealer,
    clock: Arc<dyn Clock>,
    /// For the timer of deferred writes.
    weak: Weak<Self>,
    deferred: Deferred,
    cache: RecordCache,
    /// One write list at a time, so that no list overtakes an earlier one with older deferred writes. Holds whether writing is
    /// over.
    writer: Mutex<Writer>,
    exclusive: Mutex<()>,
    /// Pending messages that were found in the store and are being committed again; their records are to be removed.
    replayed: std::sync::Mutex<HashSet<String>>,
}

/// Who holds its lock may write.
struct Writer {
    retired: bool,
}

impl Backend {
    pub(crate) fn new(
        device: DeviceId,
        records: Arc<dyn KeyRecords>,
        sealer: Sealer,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|weak| Self {
            device,
            records,
            sealer,
            clock,
            weak: weak.clone(),
            deferred: Deferred::default(),
            cache: RecordCache::default(),
            writer: Mutex::new(Writer { retired: false }),
            exclusive: Mutex::new(()),
            replayed: std::sync::Mutex::default(),
        })
    }

    /// Lets no write through from here on; waits for the one under way, and tries to write what was deferred.
    pub(crate) async fn retire(&self) {
        if !matches!(tokio::time::timeout(RETIRE_TIMEOUT, self.write(Vec::new())).await, Ok(Ok(()))) {
            tracing::warn!(device.id = %self.device, "some records of a session that ends could not be written");
        }
        self.writer.lock().await.retired = true;
        self.deferred.clear();
    }

    /// Retires and removes everything the device remembers.
    pub(crate) async fn wipe(&self) -> portico_core::error::Result<()> {
        let mut writer = self.writer.lock().await;
        writer.retired = true;
        self.deferred.clear();
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

    /// Repeats a read until the store answers or the session is over: the library treats a key that can't be read like a message
    /// that can't be read, and tells WhatsApp to drop it.
    async fn until_available<T, Fut>(&self, read: impl Fn() -> Fut) -> Result<T>
    where
        Fut: Future<Output = portico_core::error::Result<T>>,
    {
        let mut wait = RETRY_WAIT;
        loop {
            match read().await {
                Err(Error::Unavailable { .. }) if !self.writer.lock().await.retired => {
                    tracing::warn!(device.id = %self.device, "the keys of a session can't be read; trying again");
                    tokio::time::sleep(wait).await;
                    wait = (2 * wait).min(RETRY_WAIT_MAX);
                }
                done => return done.map_err(database),
            }
        }
    }

    async fn read(&self, kind: &'static str, id: &str) -> Result<Option<Vec<u8>>> {
        match self.deferred.find(kind, id) {
            Found::Value(value) => return Ok(Some(value)),
            Found::Deleted => return Ok(None),
            Found::Unknown => {}
        }
        let reading = match self.cache.get(kind, id) {
            Some(Ok(value)) => return Ok(value),
            Some(Err(reading)) => Some(reading),
            None => None,
        };
        let found = self.until_available(|| self.records.get(&self.device, kind, id)).await?;
        let value = found.map(|sealed| self.open(kind, id, &sealed)).transpose()?;
        if let Some(reading) = reading {
            self.cache.put(reading, kind, id, value.as_deref());
        }
        Ok(value)
    }

    async fn read_json<T: DeserializeOwned>(&self, kind: &'static str, id: &str) -> Result<Option<T>> {
        self.read(kind, id).await?.map(|bytes| from_json(&bytes)).transpose()
    }

    async fn read_many(&self, kind: &'static str, ids: &[String]) -> Result<Vec<(String, Vec<u8>)>> {
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for id in ids {
            match self.deferred.find(kind, id) {
                Found::Value(value) => known.push((id.clone(), value)),
                Found::Deleted => {}
                Found::Unknown => unknown.push(id.clone()),
            }
        }
        if unknown.is_empty() {
            return Ok(known);
        }
        let found = self.until_available(|| self.records.get_many(&self.device, kind, &unknown)).await?;
        for record in found {
            known.push(self.opened(kind, record)?);
        }
        Ok(known)
    }

    /// All records of a kind. Not for kinds whose writes are deferred.
    async fn list(&self, kind: &'static str, prefix: &str) -> Result<Vec<(String, Vec<u8>)>> {
        let found = self.records.list(&self.device, kind, prefix).await.map_err(database)?;
        found.into_iter().map(|record| self.opened(kind, record)).collect()
    }

    /// Like [`Self::list`] without opening the values.
    async fn list_ids(&self, kind: &'static str, prefix: &str) -> Result<Vec<String>> {
        let found = self.records.list(&self.device, kind, prefix).await.map_err(database)?;
        Ok(found.into_iter().map(|record| record.id).collect())
    }

    /// Reads a record and removes it.
    async fn take(&self, kind: &'static str, id: &str) -> Result<Option<Vec<u8>>> {
        match self.deferred.find(kind, id) {
            Found::Value(value) => {
                self.defer_delete(kind, id, true).await?;
                return Ok(Some(value));
            }
            Found::Deleted => return Ok(None),
            Found::Unknown => {}
        }
        let _writer = self.writer().await?;
        let found = self.records.take(&self.device, kind, id).await.map_err(database)?;
        found.map(|sealed| self.open(kind, id, &sealed)).transpose()
    }

    /// Writes a list, and what was deferred before it, in one transaction.
    async fn write(&self, writes: Vec<KeyWrite>) -> Result<()> {
        let writer = self.writer().await?;
        self.cache.begin_write(&writes);
        let mut under_way = WriteUnderWay { backend: self, is_done: false };
        let mut list = Vec::with_capacity(writes.len());
        for ((kind, id), change) in self.deferred.take() {
            list.push(match change {
                Change::Put { plain, expires } => self.put_until(kind, id, &plain, expires)?,
                Change::Delete => delete(kind, id),
            });
        }
        list.extend(writes);
        if !list.is_empty() {
            self.records.apply(&self.device, list).await.map_err(database)?;
        }
        under_way.is_done = true;
        drop(under_way);
        drop(writer);
        Ok(())
    }

    /// Has a record written with the next list. See [`deferred`] for what may be.
    async fn defer(&self, kind: &'static str, id: String, plain: Vec<u8>, expires: Option<UtcMs>) -> Result<()> {
        let then = self.deferred.add((kind, id), Change::Put { plain, expires });
        self.after_deferral(then).await
    }

    /// Has a record removed with the next list. `is_stored`: the store may hold an earlier version of it.
    async fn defer_delete(&self, kind: &'static str, id: &str, is_stored: bool) -> Result<()> {
        let then = self.deferred.delete((kind, id.to_owned()), is_stored);
        self.after_deferral(then).await
    }

    async fn after_deferral(&self, then: Then) -> Result<()> {
        match then {
            Then::Nothing => Ok(()),
            Then::WriteNow => self.write(Vec::new()).await,
            Then::StartTimer => {
                let weak = self.weak.clone();
                tokio::spawn(async move {
                    let mut wait = DEFER_TIME;
                    loop {
                        tokio::time::sleep(wait).await;
                        let Some(backend) = weak.upgrade() else { return };
                        match backend.deferred.timer() {
                            None => return,
                            Some(left) if !left.is_zero() => wait = left,
                            Some(_) => {
                                let written = backend.write(Vec::new()).await;
                                wait = if written.is_ok() { DEFER_TIME } else { RETRY_WAIT_MAX };
                            }
                        }
                    }
                });
                Ok(())
            }
        }
    }

    async fn purge(&self, kind: &'static str, until: UtcMs) -> Result<u32> {
        self.write(Vec::new()).await?;
        let _writer = self.writer().await?;
        let removed = self.records.purge(&self.device, kind, until).await.map_err(database)?;
        Ok(u32::try_from(removed).unwrap_or(u32::MAX))
    }

    /// The right to write, until it is dropped.
    async fn writer(&self) -> Result<MutexGuard<'_, Writer>> {
        let writer = self.writer.lock().await;
        if writer.retired {
            let why = "the session has ended; its successor writes now";
            return Err(StoreError::Connection(why.into()));
        }
        Ok(writer)
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

/// A list that is being written. If that fails or is given up, the deferred writes in it wait again.
struct WriteUnderWay<'b> {
    backend: &'b Backend,
    is_done: bool,
}

impl Drop for WriteUnderWay<'_> {
    fn drop(&mut self) {
        self.backend.cache.end_write();
        if self.is_done {
            self.backend.deferred.written();
        } else {
            self.backend.deferred.not_written();
        }
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
