//! The running process as the listener sees it: when events were stored, whether it is stopping, how its parts are.

use std::sync::Arc;

use portico_api::Part;
use tokio::sync::watch;

/// Handed over by whoever puts the gateway together. Cloning shares it.
#[derive(Clone)]
pub struct Live {
    /// Changes after every commit that stored events; event streams wait for it.
    pub events: watch::Receiver<u64>,
    /// Becomes `true` when the process begins to stop: streams end, `/health` says not ready.
    pub stopping: watch::Receiver<bool>,
    /// The parts beside the store, which the listener checks itself.
    pub parts: Arc<dyn Fn() -> Vec<Part> + Send + Sync>,
}

impl Live {
    /// Whether the process is stopping.
    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }
}
