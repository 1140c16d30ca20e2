//! One device's session: the protocol library's client, what is known about it, and the one task that follows it.
//!
//! The task takes events in order, reports facts to the core, and ends the session once it is decided how ([`Verdict`]): the
//! client is shut down, what it reported before is recorded, its storage is closed for writing, and only then the core learns
//! that the session is over. So a new session can be opened as soon as the core knows.

mod event_loop;
mod report;
mod start;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use portico_core::device::{Signal, StateReason};
use portico_core::error::Result;
use portico_core::id::DeviceId;
use portico_core::ports::whatsapp::{Account, Fact, Resources};
use portico_core::ports::{Blobs, Clock, Inbox, KeyRecords};
use portico_core::seal::Sealer;
use portico_core::time::UtcMs;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use whatsapp_rust::Client;

use crate::backend::Backend;
use crate::config::{WhatsAppConfig, WhatsAppLimits};
use crate::dial::Transports;
use crate::events::signals::{self, Verdict};
use crate::files::upload::Uploads;
use crate::pairing::Pairing;
use crate::resolve::RecipientCache;
use crate::send::UnsavedRatchets;
use event_loop::EventLoop;

/// How long the client may take to write what it still holds when the session ends.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);
/// How long recording what it reported before may take beyond that. With [`crate::backend::RETIRE_TIMEOUT`] together less than
/// the core's `CLOSE_TIMEOUT`.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(1_200);

/// What all sessions share.
pub(crate) struct Context {
    pub(crate) config: WhatsAppConfig,
    pub(crate) limits: WhatsAppLimits,
    pub(crate) records: Arc<dyn KeyRecords>,
    pub(crate) sealer: Sealer,
    pub(crate) inbox: Arc<dyn Inbox>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) transports: Transports,
    pub(crate) blobs: Arc<dyn Blobs>,
    /// Permits for files that are uploaded or fetched.
    pub(crate) transfers: Semaphore,
}

impl Context {
    /// The device's storage. One at a time: it is retired before the next session opens it.
    pub(crate) fn backend(&self, device: &DeviceId) -> Arc<Backend> {
        let (records, clock) = (Arc::clone(&self.records), Arc::clone(&self.clock));
        Backend::new(device.clone(), records, self.sealer.clone(), clock)
    }
}

/// The sessions of the process.
pub(crate) type Table = Arc<Mutex<HashMap<DeviceId, Arc<Session>>>>;

/// One session.
pub(crate) struct Session {
    pub(crate) device: DeviceId,
    pub(crate) context: Arc<Context>,
    pub(crate) pairing: Pairing,
    pub(crate) recipients: RecipientCache,
    pub(crate) unsaved_ratchets: Arc<UnsavedRatchets>,
    pub(crate) uploads: Uploads,
    client: Mutex<Option<Arc<Client>>>,
    /// The storage of its keys, once it was started.
    pub(crate) backend: OnceLock<Arc<Backend>>,
    /// Whether the last report to the core was that the session is logged in.
    logged_in: AtomicBool,
    undecryptable: AtomicU64,
    /// A logout was asked for here: the core knows about the unlinking that follows.
    pub(crate) logging_out: AtomicBool,
    /// The session is to end.
    pub(crate) stop: CancellationToken,
    /// The session ended, and its storage is closed for writing.
    pub(crate) done: CancellationToken,
}

impl Session {
    pub(crate) fn new(device: DeviceId, context: Arc<Context>) -> Arc<Self> {
        Arc::new(Self {
            device,
            context,
            pairing: Pairing::default(),
            recipients: RecipientCache::default(),
            unsaved_ratchets: Arc::default(),
            uploads: Uploads::default(),
            client: Mutex::new(None),
            backend: OnceLock::new(),
            logged_in: AtomicBool::new(false),
            undecryptable: AtomicU64::new(0),
            logging_out: AtomicBool::new(false),
            stop: CancellationToken::new(),
            done: CancellationToken::new(),
        })
    }

    /// The client, while one runs.
    pub(crate) fn client(&self) -> Option<Arc<Client>> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_client(&self, client: Option<Arc<Client>>) {
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = client;
    }

    /// Counters of the session.
    pub(crate) fn resources(&self) -> Resources {
        let Some(client) = self.client() else {
            return Resources::default();
        };
        let stats = client.stats();
        // The report takes locks that are nearly always free; when one is not, the estimate is left out this time.
        let report = client.resource_report().now_or_never();
        Resources {
            frames_in: stats.frames_received,
            frames_out: stats.frames_sent,
            bytes_in: stats.bytes_received,
            bytes_out: stats.bytes_sent,
            reconnects: stats.reconnects,
            last_frame_at: i64::try_from(stats.last_data_received_ms).ok().filter(|at| *at > 0).map(UtcMs),
            undecryptable: self.undecryptable.load(Ordering::Relaxed),
            memory_bytes: report.map(|report| report.total_estimated_bytes()),
        }
    }

    /// Starts the client and the task that follows it.
    pub(crate) async fn launch(self: Arc<Self>, table: Table) -> Result<()> {
        let entry = TableEntry { session: Arc::clone(&self), table };
        let running = start::start(&self).await?;
        tokio::spawn(self.run(running, entry));
        Ok(())
    }

    async fn run(self: Arc<Self>, running: start::RunningClient, entry: TableEntry) {
        // A panic in the library must not leave a device that looks connected for ever.
        let verdict = AssertUnwindSafe(self.run_clients(running)).catch_unwind().await;
        let verdict = verdict.unwrap_or_else(|_| Verdict::Ended(signals::crashed()));
        self.set_client(None);
        drop(entry);
        let signal = match verdict {
            Verdict::Stopped => return,
            Verdict::Ended(reason) => Signal::Ended(reason),
            Verdict::Unlinked(reason) => Signal::Unlinked(reason),
            Verdict::Outdated => Signal::Ended(signals::outdated()),
        };
        self.report_signal(signal, None).await;
    }

    /// Runs clients until the verdict is final. There is a second client only when WhatsApp wants a newer version that can be
    /// asked for.
    async fn run_clients(self: &Arc<Self>, mut running: start::RunningClient) -> Verdict {
        let mut may_retry = self.context.config.version.is_none();
        loop {
            let mut event_loop = EventLoop::new(Arc::clone(self), Arc::clone(&running.client));
            let verdict = event_loop.run(&mut running).await;
            let backend = self.end(event_loop, running).await;
            match verdict {
                Verdict::Outdated if may_retry => may_retry = false,
                Verdict::Unlinked(_) => {
                    if let Err(error) = backend.wipe().await {
                        tracing::error!(device.id = %self.device, error = &error as &dyn std::error::Error, "the keys of an unlinked device could not be removed");
                    }
                    return verdict;
                }
                _ => return verdict,
            }
            self.connection_lost(signals::outdated_retry()).await;
            if self.context.backend(&self.device).forget_version().await.is_err() {
                return Verdict::Ended(signals::start_failed());
            }
            match start::start(self).await {
                Ok(next) => running = next,
                Err(_) => return Verdict::Ended(signals::start_failed()),
            }
        }
    }

    /// Shuts the client down, records what it reported before, and closes its storage for writing.
    async fn end(self: &Arc<Self>, mut event_loop: EventLoop, running: start::RunningClient) -> Arc<Backend> {
        let start::RunningClient { client, handle, mut events, subscription, backend, sink } = running;
        drop(client);
        self.set_client(None);
        self.pairing.hide();
        let shut_down = CancellationToken::new();
        let shutdown = async {
            // Dropping the handle, as the timeout does, aborts what is left.
            if tokio::time::timeout(SHUTDOWN_TIMEOUT, handle.shutdown()).await.is_err() {
                tracing::warn!(device.id = %self.device, "the session did not shut down in time and was cut off");
            }
            drop(subscription);
            shut_down.cancel();
        };
        // At the same time: the client's shutdown waits for incoming messages to be stored.
        let drain = event_loop.drain(&mut events, &sink, &shut_down);
        let ((), drained) = tokio::join!(shutdown, tokio::time::timeout(SHUTDOWN_TIMEOUT + DRAIN_TIMEOUT, drain));
        if drained.is_err() {
            tracing::warn!(device.id = %self.device, "the core took too long with the last events of a session; some were dropped");
        }
        backend.retire().await;
        backend
    }

    async fn report_signal(&self, signal: Signal, account: Option<Account>) {
        report::report(self, &[Fact::Session { signal, account }]).await;
    }

    /// Reports once that the connection is lost.
    async fn connection_lost(&self, reason: StateReason) {
        if self.logged_in.swap(false, Ordering::AcqRel) {
            self.report_signal(Signal::ConnectionLost(reason), None).await;
        }
    }
}

/// Takes the session out of the table when its task is over, however it ended.
struct TableEntry {
    session: Arc<Session>,
    table: Table,
}

impl Drop for TableEntry {
    fn drop(&mut self) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.get(&self.session.device).is_some_and(|held| Arc::ptr_eq(held, &self.session)) {
            table.remove(&self.session.device);
        }
        self.session.done.cancel();
    }
}
