//! Runs one hook once: in a fresh instance, under its limits, to an answer or an outcome.

use std::sync::Arc;
use std::time::Instant;

use portico_core::directory::Effective;
use portico_core::id::{DeviceId, TenantId};
use portico_core::ports::plugins::{Outcome, PluginFailure};
use portico_core::ports::{Clock, Rng};
use wasmtime::{Engine, PoolConcurrencyLimitError, Trap};

use crate::bindings::types::{Context, HookError};
use crate::call_counts;
use crate::guest::{self, Guest};
use crate::import::CallStates;
use crate::import::log::cut;
use crate::kind::{self, Export, HookCall, HookKind};
use crate::limits::DETAIL_BYTES_MAX;
use crate::owner::Owner;
use crate::place::Place;
use crate::plugin::{HookState, Plugin};
use crate::semaphore::BoundedSemaphore;
use crate::services::{CallInfo, HostServices, Serving};

/// What every call needs of the runtime.
pub(crate) struct Host {
    pub(crate) engine: Engine,
    pub(crate) services: Arc<HostServices>,
    /// Bounds the instances alive at once, over all plugins.
    pub(crate) instances: Arc<BoundedSemaphore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
}

/// Whose data a call works on, with which settings and grants, and on whose behalf it is made.
pub(crate) struct CallScope {
    pub(crate) tenant: Option<TenantId>,
    pub(crate) device: Option<DeviceId>,
    pub(crate) effective: Arc<Effective>,
    pub(crate) serving: Serving,
}

impl CallScope {
    fn owner(&self) -> Owner {
        Owner::of(self.tenant.as_ref(), &self.effective)
    }
}

/// Why a call gave no usable answer.
struct CallFailure {
    outcome: Outcome,
    detail: String,
}

impl CallFailure {
    fn new(outcome: Outcome, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { outcome, detail: cut(&detail, DETAIL_BYTES_MAX).to_owned() }
    }

    fn of(self, plugin: &Plugin) -> PluginFailure {
        PluginFailure { plugin: plugin.id().to_owned(), outcome: self.outcome, detail: self.detail }
    }
}

impl Host {
    /// Makes a call: breaker, semaphore, guest, checks, count.
    pub(crate) async fn call<C: HookCall>(
        &self,
        plugin: &Plugin,
        scope: &CallScope,
        call: &C,
    ) -> Result<C::Answer, PluginFailure> {
        let started = Instant::now();
        let hook = C::Kind::HOOK;
        let result = match plugin.hook(hook) {
            None => Err(CallFailure::new(Outcome::Missing, format!("it has no hook `{}`", hook.as_str()))),
            Some(state) => self.call_guarded(plugin, state, scope, call).await,
        };
        let outcome = result.as_ref().err().map(|failure| failure.outcome);
        call_counts::record(plugin.id(), hook, outcome, started.elapsed());
        result.map_err(|failure| failure.of(plugin))
    }

    /// Makes a call to check a plugin while it is loaded: neither counted nor seen by the breaker.
    pub(crate) async fn probe<C: HookCall>(
        &self,
        plugin: &Plugin,
        state: &HookState,
        scope: &CallScope,
        call: &C,
    ) -> Result<C::Answer, PluginFailure> {
        self.call_instance(plugin, state, scope, call, None).await.map_err(|failure| failure.of(plugin))
    }

    async fn call_guarded<C: HookCall>(
        &self,
        plugin: &Plugin,
        state: &HookState,
        scope: &CallScope,
        call: &C,
    ) -> Result<C::Answer, CallFailure> {
        if let Some(problem) = &scope.effective.problem {
            return Err(CallFailure::new(Outcome::Config, problem.clone()));
        }
        let owner = scope.owner();
        state.breakers.admit(&owner, Instant::now()).map_err(|pause| {
            CallFailure::new(Outcome::Breaker, format!("it failed too often; asked again in {} s", pause.as_secs() + 1))
        })?;
        let mut result = self.call_in_turn(plugin, state, scope, call).await;
        if C::Kind::PURE && matches!(&result, Err(failure) if failure.outcome == Outcome::Cpu) {
            result = self.call_in_turn(plugin, state, scope, call).await;
        }
        let now = Instant::now();
        match &result {
            Err(failure) if is_the_plugins_fault(failure.outcome) => {
                if let Some(pause) = state.breakers.failed(&owner, now) {
                    tracing::error!(
                        tenant.id = owner.name(),
                        plugin.id = plugin.id(),
                        plugin.hook = C::Kind::HOOK.as_str(),
                        plugin.outcome = ?failure.outcome,
                        pause_s = pause.as_secs(),
                        "a plugin failed too often and is not called for this tenant for a while: {}",
                        failure.detail
                    );
                }
            }
            Err(failure) if failure.outcome == Outcome::Busy => {}
            _ => {
                if state.breakers.succeeded(&owner, now) {
                    tracing::info!(
                        tenant.id = owner.name(),
                        plugin.id = plugin.id(),
                        plugin.hook = C::Kind::HOOK.as_str(),
                        "a plugin works again for this tenant"
                    );
                }
            }
        }
        result
    }

    /// Waits for room for an instance and for a place among the plugin's calls that run, then makes the call.
    async fn call_in_turn<C: HookCall>(
        &self,
        plugin: &Plugin,
        state: &HookState,
        scope: &CallScope,
        call: &C,
    ) -> Result<C::Answer, CallFailure> {
        let (tenant, patience) = (&scope.tenant, state.limits.wall);
        let busy = |what: &str| CallFailure::new(Outcome::Busy, format!("too many {what} at once"));
        let room = self.instances.acquire(tenant, patience).await;
        let _room = room.ok_or_else(|| busy("calls of all plugins"))?;
        let place = Place::take(&state.semaphore, tenant, patience).await;
        let place = place.ok_or_else(|| busy("calls of it"))?;
        self.call_instance(plugin, state, scope, call, Some(place)).await
    }

    /// One fresh instance, one call, within the wall-clock limit. The store goes when this returns or is dropped.
    async fn call_instance<C: HookCall>(
        &self,
        plugin: &Plugin,
        state: &HookState,
        scope: &CallScope,
        call: &C,
        place: Option<Place>,
    ) -> Result<C::Answer, CallFailure> {
        let limits = &state.limits;
        let call_id = format!("{:032x}", self.rng.bits());
        let context = self.context(state, scope, &call_id);
        let info = CallInfo {
            effective: Arc::clone(&scope.effective),
            owner: scope.owner(),
            hook: C::Kind::HOOK,
            pure: C::Kind::PURE,
            call_id,
            serving: scope.serving.clone(),
            logs: Arc::clone(&plugin.logs),
            place,
            states: CallStates::default(),
        };
        let mut store = guest::store(&self.engine, Arc::clone(&self.services), info, limits);
        let running = async {
            let instance = plugin.pre.instantiate_async(&mut store).await?;
            let hook = kind::typed::<C::Kind>(&state.export)?.load(&mut store, &instance)?;
            call.run(&hook, &mut store, &context).await
        };
        let ended_with = tokio::time::timeout(limits.wall, running).await;
        if let Some(bytes) = state.memory_grew(store.data().memory_bytes) {
            call_counts::memory(plugin.id(), C::Kind::HOOK, bytes);
        }
        let returned = match ended_with {
            Ok(Ok(returned)) => returned,
            Ok(Err(e)) => return Err(ended(&e, store.data())),
            Err(_) => {
                return Err(CallFailure::new(Outcome::Wall, format!("no answer within {:?}", limits.wall)));
            }
        };
        let raw = returned.map_err(refused)?;
        call.check(raw).map_err(|why| CallFailure::new(Outcome::BadAnswer, why))
    }

    fn context(&self, state: &HookState, scope: &CallScope, call_id: &str) -> Context {
        let bits = self.rng.bits();
        Context {
            call_id: call_id.to_owned(),
            tenant: scope.tenant.as_ref().map(ToString::to_string),
            device: scope.device.as_ref().map(ToString::to_string),
            now: u64::try_from(self.clock.now().0).unwrap_or(0),
            budget: u32::try_from(state.limits.wall.as_millis()).unwrap_or(u32::MAX),
            seed: ((bits >> 32) as u32, bits as u32),
            settings: scope.effective.settings.to_string(),
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

fn refused(error: HookError) -> CallFailure {
    match error {
        HookError::Config(why) => CallFailure::new(Outcome::Config, why),
        HookError::InvalidInput(why) => CallFailure::new(Outcome::InvalidInput, why),
        HookError::Unavailable(why) => CallFailure::new(Outcome::Unavailable, why.message),
        HookError::Denied(why) => CallFailure::new(Outcome::Denied, why),
        HookError::Internal(why) => CallFailure::new(Outcome::Internal, why),
    }
}

/// What an error of the engine means. What the guest ran into first counts: a guest without memory traps as well.
fn ended(error: &wasmtime::Error, guest: &Guest) -> CallFailure {
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
    CallFailure::new(outcome, text)
}
