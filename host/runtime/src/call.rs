//! Runs one hook once: in a fresh instance, under its limits, to an answer or an outcome.

use std::sync::Arc;
use std::time::Instant;

use portico_core::id::{DeviceId, TenantId};
use portico_core::ports::plugins::{Hook, Outcome, PluginFailure};
use portico_core::ports::{Clock, Rng};
use wasmtime::component::Instance;
use wasmtime::{Engine, PoolConcurrencyLimitError, Store, Trap};

use crate::bindings::types::{Context, HookError};
use crate::guest::{self, Guest};
use crate::import::log::cut;
use crate::limits::DETAIL_BYTES_MAX;
use crate::manifest::hook_name;
use crate::plugin::{Exports, HookState, Plugin};
use crate::services::{CallInfo, HostServices, Serving};
use crate::tally::Tally;

/// What every call needs of the runtime.
pub(crate) struct Host {
    pub(crate) engine: Engine,
    pub(crate) services: Arc<HostServices>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) tally: Tally,
}

/// Whom and what a call is about.
pub(crate) struct About {
    pub(crate) tenant: Option<TenantId>,
    pub(crate) device: Option<DeviceId>,
    pub(crate) serving: Serving,
}

/// What a guest gave back: an answer, or its own no.
pub(crate) type Said<T> = Result<T, HookError>;

/// A fresh instance, with what it takes to call one of its hooks.
pub(crate) struct Fresh<'a> {
    pub(crate) store: &'a mut Store<Guest>,
    pub(crate) instance: Instance,
    pub(crate) exports: &'a Exports,
    pub(crate) context: &'a Context,
}

impl<'a> Fresh<'a> {
    /// Where a hook is. That it is there was checked when the plugin was loaded.
    pub(crate) fn export<I>(&self, of: impl FnOnce(&'a Exports) -> Option<&'a I>) -> wasmtime::Result<&'a I> {
        of(self.exports).ok_or_else(|| wasmtime::format_err!("no such export"))
    }
}

/// One hook's call, with its input.
pub(crate) trait HookCall: Sync {
    /// Which hook.
    const HOOK: Hook;
    /// Whether the same call may be made twice: a guest that ran out of CPU time on a busy machine gets a second try.
    const PURE: bool;
    /// What the guest gives back.
    type Raw: Send;
    /// What the host makes of it.
    type Answer: Send;

    /// Calls the guest.
    fn run(&self, guest: Fresh<'_>) -> impl Future<Output = wasmtime::Result<Said<Self::Raw>>> + Send;

    /// Checks the answer; the error says which rule it breaks.
    fn check(&self, raw: Self::Raw) -> Result<Self::Answer, String>;
}

/// How a call ended, other than well.
struct End {
    outcome: Outcome,
    detail: String,
}

impl End {
    fn new(outcome: Outcome, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { outcome, detail: cut(&detail, DETAIL_BYTES_MAX).to_owned() }
    }
}

impl Host {
    /// Makes a call: breaker, gate, guest, checks, count.
    pub(crate) async fn call<C: HookCall>(
        &self,
        plugin: &Plugin,
        about: &About,
        call: &C,
    ) -> Result<C::Answer, PluginFailure> {
        let started = Instant::now();
        let result = match plugin.hook(C::HOOK) {
            None => Err(End::new(Outcome::Missing, format!("it has no hook `{}`", hook_name(C::HOOK)))),
            Some(state) => self.guarded(plugin, state, about, call).await,
        };
        let outcome = result.as_ref().err().map(|end| end.outcome);
        self.tally.count(&plugin.info.id, C::HOOK, outcome, started.elapsed());
        result.map_err(|End { outcome, detail }| PluginFailure { plugin: plugin.info.id.clone(), outcome, detail })
    }

    async fn guarded<C: HookCall>(
        &self,
        plugin: &Plugin,
        state: &HookState,
        about: &About,
        call: &C,
    ) -> Result<C::Answer, End> {
        let tenant = &about.tenant;
        state.breakers.admit(tenant, Instant::now()).map_err(|pause| {
            End::new(Outcome::Breaker, format!("it failed too often; asked again in {} s", pause.as_secs() + 1))
        })?;
        let _permit = state
            .gate
            .enter(state.limits.wall)
            .await
            .ok_or_else(|| End::new(Outcome::Busy, "too many calls of it at once"))?;
        let mut result = self.once(plugin, state, about, call).await;
        if C::PURE && matches!(&result, Err(end) if end.outcome == Outcome::Cpu) {
            result = self.once(plugin, state, about, call).await;
        }
        let now = Instant::now();
        match &result {
            Err(end) if is_the_plugins_fault(end.outcome) => {
                if let Some(pause) = state.breakers.failed(tenant, now) {
                    tracing::error!(
                        tenant.id = tenant.as_ref().map_or("none", TenantId::as_str),
                        plugin.id = plugin.info.id,
                        plugin.hook = hook_name(C::HOOK),
                        plugin.outcome = ?end.outcome,
                        pause_s = pause.as_secs(),
                        "a plugin failed too often and is not called for this tenant for a while: {}",
                        end.detail
                    );
                }
            }
            Err(end) if end.outcome == Outcome::Busy => {}
            _ => {
                if state.breakers.succeeded(tenant, now) {
                    tracing::info!(
                        tenant.id = tenant.as_ref().map_or("none", TenantId::as_str),
                        plugin.id = plugin.info.id,
                        plugin.hook = hook_name(C::HOOK),
                        "a plugin works again for this tenant"
                    );
                }
            }
        }
        result
    }

    /// One fresh instance, one call, within the wall-clock limit. The store goes when this returns or is dropped.
    async fn once<C: HookCall>(
        &self,
        plugin: &Plugin,
        state: &HookState,
        about: &About,
        call: &C,
    ) -> Result<C::Answer, End> {
        let limits = &state.limits;
        let call_id = format!("{:032x}", self.rng.bits());
        let context = self.context(plugin, state, about, &call_id);
        let info = CallInfo {
            plugin: Arc::clone(&plugin.subject),
            hook: C::HOOK,
            call_id,
            serving: about.serving.clone(),
            rest_calls: 0,
        };
        let mut store = guest::store(&self.engine, Arc::clone(&self.services), info, limits);
        let running = async {
            let instance = plugin.pre.instantiate_async(&mut store).await?;
            call.run(Fresh { store: &mut store, instance, exports: &plugin.exports, context: &context }).await
        };
        let said = match tokio::time::timeout(limits.wall, running).await {
            Ok(Ok(said)) => said,
            Ok(Err(e)) => return Err(ended(&e, store.data())),
            Err(_) => {
                return Err(End::new(Outcome::Wall, format!("no answer within {:?}", limits.wall)));
            }
        };
        let raw = said.map_err(refused)?;
        call.check(raw).map_err(|why| End::new(Outcome::BadAnswer, why))
    }

    fn context(&self, plugin: &Plugin, state: &HookState, about: &About, call_id: &str) -> Context {
        let bits = self.rng.bits();
        Context {
            call_id: call_id.to_owned(),
            tenant: about.tenant.as_ref().map(ToString::to_string),
            device: about.device.as_ref().map(ToString::to_string),
            now: u64::try_from(self.clock.now().0).unwrap_or(0),
            budget: u32::try_from(state.limits.wall.as_millis()).unwrap_or(u32::MAX),
            seed: ((bits >> 32) as u32, bits as u32),
            settings: plugin.settings.clone(),
        }
    }
}

/// Whether a way to end counts towards the breaker. The others are the fault of the input, the operator or the machine.
fn is_the_plugins_fault(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Trap
        | Outcome::Cpu
        | Outcome::Wall
        | Outcome::Memory
        | Outcome::CopyLimit
        | Outcome::BadAnswer
        | Outcome::Internal => true,
        Outcome::Config
        | Outcome::InvalidInput
        | Outcome::Unavailable
        | Outcome::Denied
        | Outcome::Busy
        | Outcome::Breaker
        | Outcome::Missing => false,
    }
}

fn refused(error: HookError) -> End {
    match error {
        HookError::Config(why) => End::new(Outcome::Config, why),
        HookError::InvalidInput(why) => End::new(Outcome::InvalidInput, why),
        HookError::Unavailable(why) => End::new(Outcome::Unavailable, why.message),
        HookError::Denied(why) => End::new(Outcome::Denied, why),
        HookError::Internal(why) => End::new(Outcome::Internal, why),
    }
}

/// What an error of the engine means. What the guest ran into first counts: a guest without memory traps as well.
fn ended(error: &wasmtime::Error, guest: &Guest) -> End {
    let text = error.root_cause().to_string();
    let outcome = if guest.cpu_spent {
        Outcome::Cpu
    } else if guest.memory_refused {
        Outcome::Memory
    } else if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        Outcome::Busy
    } else if error.downcast_ref::<Trap>().is_some() {
        Outcome::Trap
    } else if text.contains("fuel allocated for hostcalls") {
        // The engine has no type for it.
        Outcome::CopyLimit
    } else {
        // Strings that are no UTF-8, lists outside of memory, cases that don't exist: found while reading the answer.
        Outcome::BadAnswer
    };
    End::new(outcome, text)
}
