//! A loaded version of a plugin: its code, ready to instantiate, and what is kept between calls. Settings and grants come with each
//! call, so that all tenants share it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use portico_core::ports::plugins::{Hook, Package};
use wasmtime::component::InstancePre;

use crate::breakers::Breakers;
use crate::guest::Guest;
use crate::import::log::LogQuotas;
use crate::kind::{AnyExport, AnyKind};
use crate::limits::{HookLimits, Limits};
use crate::semaphore::BoundedSemaphore;

/// A plugin that passed all checks.
pub(crate) struct Plugin {
    pub(crate) package: Arc<Package>,
    pub(crate) pre: InstancePre<Guest>,
    pub(crate) logs: Arc<LogQuotas>,
    pub(crate) hooks: Vec<HookState>,
}

/// One hook of a plugin: where it is in the component, and what is kept of it between calls.
pub(crate) struct HookState {
    pub(crate) kind: &'static dyn AnyKind,
    pub(crate) export: AnyExport,
    pub(crate) limits: HookLimits,
    pub(crate) semaphore: Arc<BoundedSemaphore>,
    pub(crate) breakers: Breakers,
    /// Bytes of memory that the largest of its calls had.
    memory_peak: AtomicUsize,
}

impl Plugin {
    /// Its id.
    pub(crate) fn id(&self) -> &str {
        &self.package.info.id
    }

    /// The state of a hook; `None` if the plugin lacks it.
    pub(crate) fn hook(&self, hook: Hook) -> Option<&HookState> {
        self.hooks.iter().find(|state| state.kind.hook() == hook)
    }
}

impl HookState {
    /// Finds the hook in a component.
    pub(crate) fn find(
        kind: &'static dyn AnyKind,
        pre: &InstancePre<Guest>,
        limits: &Limits,
    ) -> wasmtime::Result<Self> {
        let limits = kind.limits(limits).within_pool();
        Ok(Self {
            kind,
            export: kind.find(pre)?,
            limits,
            semaphore: Arc::new(BoundedSemaphore::new(limits.at_once, limits.waiting_max)),
            breakers: Breakers::new(kind.on_failure(), limits.breakers_max),
            memory_peak: AtomicUsize::new(0),
        })
    }

    /// Notes how much memory a call had; gives it where no call before had as much.
    pub(crate) fn memory_grew(&self, bytes: usize) -> Option<usize> {
        (self.memory_peak.fetch_max(bytes, Ordering::Relaxed) < bytes).then_some(bytes)
    }
}
