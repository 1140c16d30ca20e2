//! Device locks: starting or stopping a device's session needs the device's lock. Waiters get it in the order of their calls.
//!
//! Invariant: a device is in the table only while somebody holds its lock or waits for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use portico_core::error::{Error, Result};
use portico_core::id::DeviceId;
use portico_core::ports::whatsapp::{DeviceLock, LOCK_TIMEOUT};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio::time::timeout;

use crate::sessions::BUSY_RETRY;

/// The locks of all devices. Cloning shares them.
#[derive(Clone, Default)]
pub(crate) struct DeviceLocks(Arc<Mutex<HashMap<DeviceId, Weak<AsyncMutex<()>>>>>);

/// Callers that may wait for one device's lock. Each keeps a request open; one device must not take all requests of the gateway.
const WAITING_MAX: usize = 8;

/// A lock that somebody holds.
struct Held {
    device_locks: DeviceLocks,
    device: DeviceId,
    guard: Option<OwnedMutexGuard<()>>,
}

impl DeviceLocks {
    /// Waits for the device's lock. A caller that stops waiting leaves the queue.
    pub(crate) async fn lock(&self, device: &DeviceId) -> Result<DeviceLock> {
        let mut held = Held { device_locks: self.clone(), device: device.clone(), guard: None };
        let mutex = self.mutex(device);
        // The holder and every waiter own one reference to the mutex.
        if Arc::strong_count(&mutex) > 1 + WAITING_MAX {
            return Err(busy(format!("{WAITING_MAX} others wait to start or stop this device's session already")));
        }
        let Ok(guard) = timeout(LOCK_TIMEOUT, mutex.lock_owned()).await else {
            return Err(busy("the device's session is still being started or stopped by others".to_owned()));
        };
        held.guard = Some(guard);
        Ok(DeviceLock::new(held))
    }

    fn mutex(&self, device: &DeviceId) -> Arc<AsyncMutex<()>> {
        let mut table = self.table();
        if let Some(mutex) = table.get(device).and_then(Weak::upgrade) {
            return mutex;
        }
        let mutex = Arc::default();
        table.insert(device.clone(), Arc::downgrade(&mutex));
        mutex
    }

    fn table(&self) -> MutexGuard<'_, HashMap<DeviceId, Weak<AsyncMutex<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Released first, so that the count below is that of the others.
        self.guard = None;
        let mut table = self.device_locks.table();
        if table.get(&self.device).is_some_and(|mutex| mutex.strong_count() == 0) {
            table.remove(&self.device);
        }
    }
}

fn busy(why: String) -> Error {
    Error::Busy { why, retry_after: BUSY_RETRY }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn device(n: u128) -> DeviceId {
        DeviceId::new(1, n)
    }

    async fn is_free(device_locks: &DeviceLocks, device: &DeviceId) -> bool {
        timeout(Duration::from_millis(20), device_locks.lock(device)).await.is_ok_and(|lock| lock.is_ok())
    }

    #[tokio::test]
    async fn one_device_at_a_time_and_each_by_itself() {
        let device_locks = DeviceLocks::default();
        let first = device_locks.lock(&device(1)).await.unwrap();
        assert!(!is_free(&device_locks, &device(1)).await);
        assert!(is_free(&device_locks, &device(2)).await);
        drop(first);
        assert!(is_free(&device_locks, &device(1)).await);
        assert!(device_locks.table().is_empty(), "no lock is held, none is remembered");
    }

    #[tokio::test]
    async fn waiters_get_the_lock_in_the_order_of_their_calls() {
        let (device_locks, order) = (DeviceLocks::default(), Arc::new(Mutex::new(Vec::new())));
        let first = device_locks.lock(&device(1)).await.unwrap();
        let mut waiting = Vec::new();
        for n in 0..3 {
            let (device_locks, order) = (device_locks.clone(), Arc::clone(&order));
            waiting.push(tokio::spawn(async move {
                let _lock = device_locks.lock(&device(1)).await.unwrap();
                order.lock().unwrap().push(n);
            }));
            tokio::task::yield_now().await;
        }
        drop(first);
        for task in waiting {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [0, 1, 2]);
        assert!(device_locks.table().is_empty());
    }

    #[tokio::test]
    async fn only_so_many_wait() {
        let device_locks = DeviceLocks::default();
        let first = device_locks.lock(&device(1)).await.unwrap();
        let mut waiting = Vec::new();
        for _ in 0..WAITING_MAX {
            let device_locks = device_locks.clone();
            waiting.push(tokio::spawn(async move { device_locks.lock(&device(1)).await.is_ok() }));
            tokio::task::yield_now().await;
        }
        assert!(matches!(device_locks.lock(&device(1)).await, Err(Error::Busy { .. })));
        assert!(device_locks.lock(&device(2)).await.is_ok());
        drop(first);
        for task in waiting {
            assert!(task.await.unwrap());
        }
        assert!(device_locks.table().is_empty());
    }

    #[tokio::test]
    async fn who_gives_up_waiting_leaves_nothing_behind() {
        let device_locks = DeviceLocks::default();
        let first = device_locks.lock(&device(1)).await.unwrap();
        assert!(!is_free(&device_locks, &device(1)).await);
        drop(first);
        assert!(device_locks.table().is_empty());
        assert!(is_free(&device_locks, &device(1)).await);
    }
}
