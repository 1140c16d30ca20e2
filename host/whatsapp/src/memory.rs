//! Test doubles: key records in memory, an inbox that records, a clock to set.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use portico_core::error::{Error, Result};
use portico_core::id::DeviceId;
use portico_core::ports::keys::KeyRecord;
use portico_core::ports::{Clock, KeyRecords, KeyWrite, Rng};
use portico_core::seal::Sealer;
use portico_core::time::UtcMs;

type Row = (Vec<u8>, Option<UtcMs>);
type Rows = BTreeMap<(DeviceId, &'static str, String), Row>;

/// Key records in memory.
#[derive(Default)]
pub(crate) struct MemoryKeyRecords {
    rows: Mutex<Rows>,
    /// Write lists taken.
    pub(crate) applies: AtomicUsize,
    /// Calls, by function and kind of record.
    calls: Mutex<BTreeMap<(&'static str, &'static str), usize>>,
    /// Calls that are still to find the storage down.
    pub(crate) outage: AtomicUsize,
}

impl MemoryKeyRecords {
    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a crash at this moment would leave.
    pub(crate) fn copy(&self) -> Self {
        Self { rows: Mutex::new(self.rows().clone()), ..Self::default() }
    }

    fn check(&self) -> Result<()> {
        let left = |left: usize| left.checked_sub(1);
        match self.outage.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left) {
            Ok(_) => Err(Error::unavailable("the database", "an outage")),
            Err(_) => Ok(()),
        }
    }

    fn count_call(&self, function: &'static str, kind: &'static str) {
        *self.calls.lock().unwrap_or_else(PoisonError::into_inner).entry((function, kind)).or_default() += 1;
    }

    /// The calls since this was last asked. Each is one hop to a database thread.
    pub(crate) fn take_calls(&self) -> BTreeMap<(&'static str, &'static str), usize> {
        std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Records of the device.
    pub(crate) fn count(&self, device: &DeviceId) -> usize {
        self.rows().keys().filter(|(owner, ..)| owner == device).count()
    }

    /// Whether any stored value holds `text`.
    pub(crate) fn holds(&self, text: &[u8]) -> bool {
        self.rows().values().any(|(value, _)| value.windows(text.len()).any(|window| window == text))
    }
}

#[async_trait]
impl KeyRecords for MemoryKeyRecords {
    async fn get(&self, device: &DeviceId, kind: &'static str, id: &str) -> Result<Option<Vec<u8>>> {
        self.count_call("get", kind);
        self.check()?;
        Ok(self.rows().get(&(device.clone(), kind, id.to_owned())).map(|(value, _)| value.clone()))
    }

    async fn get_many(&self, device: &DeviceId, kind: &'static str, ids: &[String]) -> Result<Vec<KeyRecord>> {
        self.count_call("get_many", kind);
        let rows = self.rows();
        let found = ids.iter().filter_map(|id| {
            let (value, _) = rows.get(&(device.clone(), kind, id.clone()))?;
            Some(KeyRecord { id: id.clone(), value: value.clone() })
        });
        Ok(found.collect())
    }

    async fn list(&self, device: &DeviceId, kind: &'static str, prefix: &str) -> Result<Vec<KeyRecord>> {
        self.count_call("list", kind);
        let rows = self.rows();
        let mine = rows.iter().filter(|((d, k, id), _)| d == device && *k == kind && id.starts_with(prefix));
        Ok(mine.map(|((_, _, id), (value, _))| KeyRecord { id: id.clone(), value: value.clone() }).collect())
    }

    async fn take(&self, device: &DeviceId, kind: &'static str, id: &str) -> Result<Option<Vec<u8>>> {
        self.count_call("take", kind);
        Ok(self.rows().remove(&(device.clone(), kind, id.to_owned())).map(|(value, _)| value))
    }

    async fn apply(&self, device: &DeviceId, writes: Vec<KeyWrite>) -> Result<()> {
        self.check()?;
        self.applies.fetch_add(1, Ordering::Relaxed);
        self.count_call("apply", "");
        let mut rows = self.rows();
        for write in writes {
            match write {
                KeyWrite::Put { kind, id, value, expires } => {
                    rows.insert((device.clone(), kind, id), (value, expires));
                }
                KeyWrite::Delete { kind, id } => {
                    rows.remove(&(device.clone(), kind, id));
                }
                KeyWrite::DeletePrefix { kind, prefix } => {
                    rows.retain(|(d, k, id), _| !(d == device && *k == kind && id.starts_with(&prefix)));
                }
            }
        }
        Ok(())
    }

    async fn purge(&self, device: &DeviceId, kind: &'static str, now: UtcMs) -> Result<u64> {
        self.count_call("purge", kind);
        let mut rows = self.rows();
        let before = rows.len();
        rows.retain(|(d, k, _), (_, expires)| !(d == device && *k == kind && expires.is_some_and(|at| at <= now)));
        u64::try_from(before - rows.len()).map_err(|e| Error::internal("counting", e))
    }

    async fn wipe(&self, device: &DeviceId) -> Result<()> {
        self.rows().retain(|(owner, ..), _| owner != device);
        Ok(())
    }
}

/// A clock that stands still until it is set.
#[derive(Debug)]
pub(crate) struct FixedClock(pub(crate) AtomicI64);

impl Clock for FixedClock {
    fn now(&self) -> UtcMs {
        UtcMs(self.0.load(Ordering::Relaxed))
    }
}

/// Numbers that never repeat; good enough for nonces in a test.
#[derive(Default)]
struct Counting(AtomicI64);

impl Rng for Counting {
    fn fill(&self, out: &mut [u8]) {
        let number = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        for (to, from) in out.iter_mut().zip(number.iter().cycle()) {
            *to = *from;
        }
    }
}

/// A sealer under a key of zeros.
pub(crate) fn sealer() -> Sealer {
    Sealer::new(&[0; 32], Arc::new(Counting::default()))
}
