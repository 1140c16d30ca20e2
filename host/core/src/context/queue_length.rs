//! How many messages of a device wait, known well enough to keep a limit without counting rows for every message.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::error::Result;
use crate::id::DeviceId;

/// Upper bounds of the queue lengths of devices.
///
/// A queue only gets shorter by other means than counting here, so that the last count plus what was added since then is not
/// too small. Rows are counted again only when that bound reaches the limit. Transactions that count at the same moment don't
/// see each other's rows and may exceed the limit by one each.
#[derive(Debug, Default)]
pub struct QueueLengths(Mutex<HashMap<DeviceId, u32>>);

impl QueueLengths {
    /// Whether one more message may be queued, which is counted then. `count` counts the rows that wait.
    pub(crate) fn admits(&self, device: &DeviceId, limit: u32, count: impl FnOnce() -> Result<u32>) -> Result<bool> {
        // Looked at and counted under one lock: transactions of one device may run side by side.
        if let Some(length) = self.lock().get_mut(device).filter(|length| **length < limit) {
            *length += 1;
            return Ok(true);
        }
        let length = count()?;
        let admitted = length < limit;
        self.lock().insert(device.clone(), if admitted { length + 1 } else { length });
        Ok(admitted)
    }

    /// Forgets a device.
    pub(crate) fn forget(&self, device: &DeviceId) {
        self.lock().remove(device);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<DeviceId, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_once_and_again_at_the_limit() {
        let (lengths, device) = (QueueLengths::default(), DeviceId::new(1, 1));
        assert!(lengths.admits(&device, 3, || Ok(1)).unwrap(), "one waits");
        let uncounted = || -> Result<u32> { panic!("the bound is below the limit") };
        assert!(lengths.admits(&device, 3, uncounted).unwrap(), "two wait");
        assert!(!lengths.admits(&device, 3, || Ok(3)).unwrap(), "three wait, and none was sent");
        assert!(lengths.admits(&device, 3, || Ok(0)).unwrap(), "all were sent");
    }

    #[test]
    fn none_is_missed_when_many_count_side_by_side() {
        let (lengths, device) = (QueueLengths::default(), DeviceId::new(1, 1));
        assert!(lengths.admits(&device, 1_000, || Ok(0)).unwrap());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..100).for_each(|_| drop(lengths.admits(&device, 1_000, || Ok(0)))));
            }
        });
        assert_eq!(lengths.lock()[&device], 401);
    }
}
