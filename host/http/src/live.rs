//! What the listener is shown of the running process: when events were stored, whether it is stopping, how its parts fare.

use std::sync::Arc;

use serde::Serialize;
use tokio::sync::watch;
use utoipa::ToSchema;

/// How a part of the gateway fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartStatus {
    /// Well.
    Ok,
    /// It works, but not as it should.
    Degraded,
    /// It does not work; the gateway is not ready.
    Down,
}

/// A part of the gateway, as `/health` shows it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Part {
    /// In snake_case, such as `store` or `deliver`.
    pub name: String,
    /// How it fares.
    pub status: PartStatus,
    /// What is wrong and what to do. Everybody can read it: no secrets, no addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What wiring hands over. Cloning shares it.
#[derive(Clone)]
pub struct Live {
    /// Changes after every commit that stored events; event streams wait for it.
    pub events: watch::Receiver<u64>,
    /// Becomes `true` when the process begins to stop: streams end, `/health` says not ready.
    pub stopping: watch::Receiver<bool>,
    /// The parts that wiring knows of; the store is checked by the listener itself.
    pub parts: Arc<dyn Fn() -> Vec<Part> + Send + Sync>,
}

impl Live {
    /// Whether the process is stopping.
    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }
}
