//! One device's session: the protocol library's client, what is known about it, and the one task that follows it.
//!
//! The task takes facts in order, tells the core, and ends the session when its verdict is known: the client is shut down,
//! what it told before is handed over, its storage is fenced off, and only then the core learns that it is over. So a new
//! session can be opened as soon as the core knows.

mod follow;
mod start;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use portico_core::device::Signal;
use portico_core::error::Result;
use portico_core::id::DeviceId;
use portico_core::ports::sessions::{Identity, Resources};
use portico_core::ports::{Clock, Inbox, KeyRecords};
use portico_core::seal::Sealer;
use portico_core::time::UtcMs;
use tokio_util::sync::CancellationToken;
use whatsapp_rust::Client;

use crate::backend::Backend;
use crate::config::{WhatsAppConfig, WhatsAppLimits};
use crate::dial::Ways;
use crate::events::signals::{self, Verdict};
use crate::pairing::Pairing;
use crate::resolve::Known;
use crate::send::Lanes;

/// How long the client may take to write what it still holds when the session ends.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);
/// How long handing over what it told before may take after that. Together less than the core's `CLOSE_TIMEOUT`.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(1_500);

/// What all sessions share.
pub(crate) struct Context {
    pub(crate) config: WhatsAppConfig,
    pub(crate) limits: WhatsAppLimits,
    pub(crate) records: Arc<dyn KeyRecords>,
    pub(crate) sealer: Sealer,
    pub(crate) inbox: Arc<dyn Inbox>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ways: Ways,
}

impl Context {
    /// The device's storage. One at a time: what a session opened is retired before the next one opens it.
    pub(crate) fn backend(&self, device: &DeviceId) -> Arc<Backend> {
        let (records, clock) = (Arc::clone(&self.records), Arc::clone(&self.clock));
        Arc::new(Backend::new(device.clone(), records, self.sealer.clone(), clock))
    }
}

/// The sessions of the process.
pub(crate) type Table = Arc<Mutex<HashMap<DeviceId, Arc<Session>>>>;

/// One session.
pub(crate) struct Session {
    pub(crate) device: DeviceId,
    pub(crate) context: Arc<Context>,
    pub(crate) pairing: Pairing,
    pub(crate) lanes: Lanes,
    pub(crate) known: Known,
    client: Mutex<Option<Arc<Client>>>,
    /// A message came in since the library's keys were last known to be stored.
    pub(crate) heard: Arc<AtomicBool>,
    /// Whether the core was last told that it is logged in.
    logged_in: AtomicBool,
    undecryptable: AtomicU64,
    /// Somebody logs the device out here: the unlinking that follows is no news.
    pub(crate) logging_out: AtomicBool,
    /// Somebody wants it to end.
    pub(crate) stop: CancellationToken,
    /// It ended, and its storage is fenced off.
    pub(crate) done: CancellationToken,
}

impl Session {
    pub(crate) fn new(device: DeviceId, context: Arc<Context>) -> Arc<Self> {
        Arc::new(Self {
            device,
            context,
            pairing: Pairing::default(),
            lanes: Lanes::default(),
            known: Known::default(),
            client: Mutex::new(None),
            heard: Arc::default(),
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

    /// What it costs.
    pub(crate) fn resources(&self) -> Resources {
        let Some(client) = self.client() else {
            return Resources::default();
        };
        let stats = client.stats();
        // The report takes locks that are free nearly always; when one is not, the estimate is left out this time.
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
        let leave = Leave { session: Arc::clone(&self), table };
        let link = start::start(&self).await?;
        tokio::spawn(self.run(link, leave));
        Ok(())
    }

    async fn run(self: Arc<Self>, link: start::Link, leave: Leave) {
        // A panic in the library must not leave a device that looks connected for ever.
        let verdict = AssertUnwindSafe(self.rounds(link)).catch_unwind().await;
        let verdict = verdict.unwrap_or_else(|_| Verdict::Ended(signals::crashed()));
        self.set_client(None);
        drop(leave);
        let signal = match verdict {
            Verdict::Stopped => return,
            Verdict::Ended(reason) => Signal::Ended(reason),
            Verdict::Unlinked(reason) => Signal::Unlinked(reason),
            Verdict::Outdated => Signal::Ended(signals::outdated()),
        };
        self.tell(signal, None).await;
    }

    /// One client after the other until the verdict is final. There is a second one only when WhatsApp wants a newer version
    /// that can be asked for.
    async fn rounds(self: &Arc<Self>, mut link: start::Link) -> Verdict {
        let mut may_retry = self.context.config.version.is_none();
        loop {
            let verdict = follow::follow(self, &mut link).await;
            let backend = self.end(link).await;
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
            self.lost(signals::outdated_retry()).await;
            if self.context.backend(&self.device).forget_version().await.is_err() {
                return Verdict::Ended(signals::start_failed());
            }
            match start::start(self).await {
                Ok(next) => link = next,
                Err(_) => return Verdict::Ended(signals::start_failed()),
            }
        }
    }

    /// Shuts the client down, hands over what it told before, and fences its storage off.
    async fn end(self: &Arc<Self>, link: start::Link) -> Arc<Backend> {
        let start::Link { client, handle, mut facts, subscription, backend, sink } = link;
        self.set_client(None);
        self.pairing.hide();
        // Dropping the handle, as the timeout does, aborts what is left.
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, handle.shutdown()).await.is_err() {
            tracing::warn!(device.id = %self.device, "the session did not shut down in time and was cut off");
        }
        drop(subscription);
        facts.close();
        sink.worked_off();
        let drained = tokio::time::timeout(DRAIN_TIMEOUT, follow::drain(self, &client, &mut facts)).await;
        if drained.is_err() {
            tracing::warn!(device.id = %self.device, "the core took too long with the last facts of a session; some were dropped");
        }
        backend.retire().await;
        backend
    }

    /// Tells the core, until it took it.
    async fn tell(&self, signal: Signal, identity: Option<Identity>) {
        let inbox = &self.context.inbox;
        follow::insist(self, "signal", || inbox.signal(&self.device, signal.clone(), identity.clone())).await;
    }

    /// Tells the core once that the connection is lost.
    async fn lost(&self, reason: portico_core::device::StateReason) {
        if self.logged_in.swap(false, Ordering::AcqRel) {
            self.tell(Signal::ConnectionLost(reason), None).await;
        }
    }
}

/// Takes the session out of the table when its task is over, however it ended.
struct Leave {
    session: Arc<Session>,
    table: Table,
}

impl Drop for Leave {
    fn drop(&mut self) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.get(&self.session.device).is_some_and(|held| Arc::ptr_eq(held, &self.session)) {
            table.remove(&self.session.device);
        }
        self.session.done.cancel();
    }
}
