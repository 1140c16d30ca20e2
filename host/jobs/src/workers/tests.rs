use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;

/// Counts its runs; a key that begins with `bad` fails, one that begins with `panic` panics.
#[derive(Default)]
struct Counting {
    runs: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
}

#[async_trait]
impl Work for Counting {
    type Key = String;
    type Memory = u32;

    fn name(&self) -> &'static str {
        "counting"
    }

    fn tenant(&self, memory: &u32) -> Option<TenantId> {
        (*memory > 0).then(|| TenantId::new(1, 1))
    }

    async fn run(&self, key: &String, memory: &mut u32) -> Result<Next> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(at_once, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(10)).await;
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        *memory += 1;
        match key.split(' ').next() {
            Some("bad") => Err(Error::unavailable("the test", "as told")),
            Some("panic") => panic!("as told"),
            _ => Ok(Next::WhenWoken),
        }
    }
}

fn workers(at_once: usize, per_tenant: usize) -> (Workers<Counting>, Tasks) {
    let tasks = Tasks::default();
    (Workers::start(Counting::default(), tasks.clone(), Limits { at_once, per_tenant }), tasks)
}

fn runs(workers: &Workers<Counting>) -> usize {
    workers.work().runs.load(Ordering::SeqCst)
}

async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

#[tokio::test(start_paused = true)]
async fn no_more_keys_run_at_once_than_allowed_and_none_is_forgotten() {
    let (workers, _tasks) = workers(3, 3);
    for n in 0..10 {
        workers.wake(format!("key {n}"));
    }
    pass(Duration::from_secs(1)).await;
    assert_eq!((runs(&workers), workers.work().most_at_once.load(Ordering::SeqCst)), (10, 3));
    // By now every key knows its tenant, which may have two of three: it leaves one for others.
    workers.work().most_at_once.store(0, Ordering::SeqCst);
    for n in 0..10 {
        workers.wake(format!("key {n}"));
    }
    pass(Duration::from_secs(1)).await;
    assert_eq!((runs(&workers), workers.work().most_at_once.load(Ordering::SeqCst)), (20, 2));
}

#[tokio::test(start_paused = true)]
async fn failures_and_panics_are_repeated_after_a_growing_pause() {
    let (workers, _tasks) = workers(8, 8);
    workers.wake("bad".to_owned());
    workers.wake("panic".to_owned());
    pass(Duration::from_millis(900)).await;
    assert_eq!(runs(&workers), 2);
    pass(Duration::from_millis(200)).await;
    assert_eq!(runs(&workers), 4, "after a second");
    pass(Duration::from_millis(1500)).await;
    assert_eq!(runs(&workers), 4);
    pass(Duration::from_secs(1)).await;
    assert_eq!(runs(&workers), 6, "after two more");
}

#[tokio::test(start_paused = true)]
async fn a_key_runs_at_the_time_it_was_given_and_nothing_runs_after_the_stop() {
    let (workers, tasks) = workers(8, 8);
    workers.wake_at("late".to_owned(), Instant::now() + Duration::from_secs(60));
    pass(Duration::from_secs(59)).await;
    assert_eq!(runs(&workers), 0);
    pass(Duration::from_secs(2)).await;
    assert_eq!(runs(&workers), 1);
    workers.wake_at("never".to_owned(), Instant::now() + Duration::from_secs(60));
    assert!(tasks.end(Duration::from_secs(5)).await);
    workers.wake("never either".to_owned());
    pass(Duration::from_secs(120)).await;
    assert_eq!(runs(&workers), 1);
}
