//! Signal keys, app-state keys and everything else a session must remember, as sealed bytes.
//!
//! The store knows neither Signal nor the protocol library: a record is (device, kind, id) → bytes. One write list is one
//! transaction. One device is written by one session at a time, so read-then-write sequences are guarded by the caller.

use async_trait::async_trait;

use crate::error::Result;
use crate::id::DeviceId;
use crate::time::UtcMs;

/// The place a record's value is sealed for, so that it opens nowhere else.
pub fn seal_place(device: &DeviceId, kind: &str, id: &str) -> String {
    format!("{device}/{kind}/{id}")
}

/// One change of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyWrite {
    /// Adds or replaces a record.
    Put {
        /// A short lower-case word, such as `session`.
        kind: &'static str,
        /// Unique within device and kind.
        id: String,
        /// Sealed already.
        value: Vec<u8>,
        /// When the record may be removed by [`KeyRecords::purge`].
        expires: Option<UtcMs>,
    },
    /// Removes a record, if it is there.
    Delete {
        /// The kind.
        kind: &'static str,
        /// The id.
        id: String,
    },
    /// Removes every record of the kind whose id starts with `prefix` (all of them when it is empty).
    DeletePrefix {
        /// The kind.
        kind: &'static str,
        /// Start of the id.
        prefix: String,
    },
}

/// A record as found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// Unique within device and kind.
    pub id: String,
    /// Sealed.
    pub value: Vec<u8>,
}

/// Where sessions keep what they must remember.
#[async_trait]
pub trait KeyRecords: Send + Sync {
    /// One record.
    async fn get(&self, device: &DeviceId, kind: &'static str, id: &str) -> Result<Option<Vec<u8>>>;

    /// Those of the named records that exist, in no particular order.
    async fn get_many(&self, device: &DeviceId, kind: &'static str, ids: &[String]) -> Result<Vec<KeyRecord>>;

    /// All records of a kind whose id starts with `prefix`, by id (byte order).
    async fn list(&self, device: &DeviceId, kind: &'static str, prefix: &str) -> Result<Vec<KeyRecord>>;

    /// Reads and removes a record in one step.
    async fn take(&self, device: &DeviceId, kind: &'static str, id: &str) -> Result<Option<Vec<u8>>>;

    /// All of `writes`, in order, or none. Durable when it returns.
    async fn apply(&self, device: &DeviceId, writes: Vec<KeyWrite>) -> Result<()>;

    /// Removes records of a kind that expired at or before `now`; says how many.
    async fn purge(&self, device: &DeviceId, kind: &'static str, now: UtcMs) -> Result<u64>;

    /// Removes everything of the device.
    async fn wipe(&self, device: &DeviceId) -> Result<()>;
}
