//! A loaded plugin: its code, ready to instantiate, and what is kept per hook between calls.

use std::sync::Arc;

use portico_core::ports::plugins::{Hook, PluginInfo};
use wasmtime::component::InstancePre;

use crate::bindings::{http_handler, pacing, webhook_format};
use crate::breaker::FailureMode;
use crate::breakers::Breakers;
use crate::guest::Guest;
use crate::limits::{HookLimits, Limits};
use crate::semaphore::BoundedSemaphore;
use crate::services::Grantee;

/// A plugin that passed all checks.
pub(crate) struct Plugin {
    pub(crate) info: PluginInfo,
    pub(crate) subject: Arc<Grantee>,
    pub(crate) pre: InstancePre<Guest>,
    pub(crate) exports: Exports,
    pub(crate) settings: String,
    hooks: Vec<HookState>,
}

/// Where each hook's functions are in the component.
#[derive(Default)]
pub(crate) struct Exports {
    pub(crate) webhook_format: Option<webhook_format::GuestIndices>,
    pub(crate) pacing: Option<pacing::GuestIndices>,
    pub(crate) http_handler: Option<http_handler::GuestIndices>,
}

/// What is kept of one hook between calls.
pub(crate) struct HookState {
    hook: Hook,
    pub(crate) limits: HookLimits,
    pub(crate) semaphore: BoundedSemaphore,
    pub(crate) breakers: Breakers,
}

/// The parts of a plugin that come out of loading.
pub(crate) struct Parts {
    pub(crate) info: PluginInfo,
    pub(crate) subject: Grantee,
    pub(crate) pre: InstancePre<Guest>,
    pub(crate) exports: Exports,
    pub(crate) settings: String,
}

impl Plugin {
    pub(crate) fn new(parts: Parts, limits: &Limits) -> Self {
        let hooks = parts.info.hooks.iter().map(|hook| HookState::new(*hook, limits.of(*hook))).collect();
        Self {
            info: parts.info,
            subject: Arc::new(parts.subject),
            pre: parts.pre,
            exports: parts.exports,
            settings: parts.settings,
            hooks,
        }
    }

    /// The state of a hook; `None` if the plugin lacks it.
    pub(crate) fn hook(&self, hook: Hook) -> Option<&HookState> {
        self.hooks.iter().find(|state| state.hook == hook)
    }
}

impl HookState {
    fn new(hook: Hook, limits: HookLimits) -> Self {
        let on_failure = match hook {
            Hook::Pacing => FailureMode::FailClosed,
            Hook::WebhookFormat | Hook::HttpHandler => FailureMode::FailOpen,
        };
        Self {
            hook,
            limits,
            semaphore: BoundedSemaphore::new(limits.at_once, limits.waiting_max),
            breakers: Breakers::new(on_failure, limits.breakers_max),
        }
    }
}
