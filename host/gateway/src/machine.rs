//! The machine's clock, randomness and processors, behind the core's ports.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use portico_core::ports::{Clock, Compute, Rng};
use portico_core::time::UtcMs;
use portico_core::{Error, Result};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// What a gateway takes from the machine it runs on. Tests may give it a clock of their own.
#[derive(Clone)]
pub struct Machine {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
}

impl Default for Machine {
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng) }
    }
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the Clock port's one real implementation")]
    fn now(&self) -> UtcMs {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UtcMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// The operating system's randomness, stretched by a generator fit for keys.
#[derive(Debug)]
pub struct SystemRng;

impl Rng for SystemRng {
    fn fill(&self, out: &mut [u8]) {
        rand::Rng::fill_bytes(&mut rand::rng(), out);
    }
}

/// How long heavy computing may wait for its turn before it is refused.
const COMPUTE_WAIT: Duration = Duration::from_secs(10);
/// When it makes sense to ask again.
const COMPUTE_RETRY: Duration = Duration::from_secs(5);

/// The runtime's threads for blocking work, so many at once.
#[derive(Debug)]
pub struct BlockingThreads(Arc<Semaphore>);

impl BlockingThreads {
    /// At most `at_once` threads, at least one.
    pub fn new(at_once: usize) -> Self {
        Self(Arc::new(Semaphore::new(at_once.clamp(1, Semaphore::MAX_PERMITS))))
    }
}

#[async_trait]
impl Compute for BlockingThreads {
    async fn run(&self, work: Box<dyn FnOnce() + Send>) -> Result<()> {
        let permit = timeout(COMPUTE_WAIT, Arc::clone(&self.0).acquire_owned()).await;
        let Ok(Ok(permit)) = permit else {
            let why = "too many passwords are being checked; try again in a moment".to_owned();
            return Err(Error::Busy { why, retry_after: COMPUTE_RETRY });
        };
        // The permit goes along: the work goes on when the caller goes away.
        let work = move || {
            work();
            drop(permit);
        };
        tokio::task::spawn_blocking(work).await.map_err(|e| Error::internal("computing", e))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn no_more_than_so_many_run_at_once() {
        let threads = Arc::new(BlockingThreads::new(2));
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let (threads, running, most) = (Arc::clone(&threads), Arc::clone(&running), Arc::clone(&most));
                tokio::spawn(async move {
                    let work = move || {
                        most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_millis(5));
                        running.fetch_sub(1, Ordering::SeqCst);
                    };
                    threads.run(Box::new(work)).await
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
    }
}
