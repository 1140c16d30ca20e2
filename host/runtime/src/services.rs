//! The host functions that guests call. Grants, budgets and quotas are checked here and nowhere else.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use portico_core::access::Caller;
use portico_core::directory::{Directory, Effective};
use portico_core::id::DeviceId;
use portico_core::ports::plugins::{Grant, Hook, Identified, KvScope, PluginKv, PluginResponse, Rest};

use crate::bindings::kv::KvError;
use crate::config::RuntimeConfig;
use crate::import::CallStates;
use crate::import::assume;
use crate::import::log::{Line, LogQuotas};
use crate::import::rest::{self, Refusal};
use crate::limits::{ASSUMED_KEYS_MAX, LOG_LINES_PER_CALL_MAX, Limits};
use crate::owner::Owner;
use crate::place::Place;

/// The host's side of every import.
pub(crate) struct HostServices {
    rest: OnceLock<Arc<dyn Rest>>,
    kv: Option<Arc<dyn PluginKv>>,
    directory: Arc<Directory>,
    limits: Limits,
}

/// The call of a hook that a host function is called from.
pub(crate) struct CallInfo {
    /// What holds for the call: grants and settings.
    pub(crate) effective: Arc<Effective>,
    /// Whose breaker and quotas count.
    pub(crate) owner: Owner,
    pub(crate) hook: Hook,
    /// Whether the hook is a pure function of its arguments, which may ask the host for nothing.
    pub(crate) pure: bool,
    pub(crate) call_id: String,
    pub(crate) serving: Serving,
    pub(crate) logs: Arc<LogQuotas>,
    /// Its place among those that run; `None` for checks.
    pub(crate) place: Option<Place>,
    pub(crate) states: CallStates,
}

/// On whose behalf a hook is called.
#[derive(Clone)]
pub(crate) enum Serving {
    /// The gateway itself: there are no credentials that `rest` could use.
    Gateway,
    /// The sender of a request.
    Request {
        /// Who it is; `None` when it came without valid credentials.
        caller: Option<Caller>,
        /// Where it came from.
        peer: Option<IpAddr>,
    },
}

impl CallInfo {
    /// Waits for something without holding the place among those that run.
    pub(crate) async fn away<T>(&mut self, work: impl Future<Output = T>) -> T {
        match &mut self.place {
            Some(place) => place.away(work).await,
            None => work.await,
        }
    }

    fn check_grant(&self, grant: Grant) -> Result<(), String> {
        if self.effective.grants.contains(&grant) {
            return Ok(());
        }
        let name = grant.as_str();
        Err(format!("the grant `{name}` is missing: the manifest has to ask for it, and nobody may withhold it"))
    }
}

impl HostServices {
    pub(crate) fn new(config: &RuntimeConfig) -> Self {
        Self {
            rest: OnceLock::new(),
            kv: config.kv.clone(),
            directory: Arc::clone(&config.directory),
            limits: config.limits.clone(),
        }
    }

    /// Gives the REST core, once it is there. Later ones are ignored.
    pub(crate) fn set_rest(&self, rest: Arc<dyn Rest>) {
        if self.rest.set(rest).is_err() {
            tracing::warn!("the REST core was given to the plugin runtime twice; the first one stays");
        }
    }

    /// Writes a guest's log line, if the call and the enablement have lines left.
    pub(crate) fn log(&self, call: &mut CallInfo, line: &Line) {
        if call.states.log.take(LOG_LINES_PER_CALL_MAX) {
            call.logs.write(call, line, self.limits.log_lines_per_minute);
        }
    }

    /// Lets the rest of the call act for whoever owns `key`.
    pub(crate) async fn assume(&self, call: &mut CallInfo, key: &str) -> Result<(), assume::Refusal> {
        call.check_grant(Grant::Assume).map_err(assume::Refusal::Denied)?;
        let Serving::Request { peer, .. } = call.serving else {
            return Err(assume::Refusal::Denied("this hook serves no request".into()));
        };
        let rest = self.rest.get().ok_or_else(|| assume::Refusal::Denied("the REST core is still starting".into()))?;
        if !call.states.assume.take(ASSUMED_KEYS_MAX) {
            return Err(assume::Refusal::TooMany);
        }
        let known = match call.away(rest.identify(key, peer)).await {
            Identified::Known(known) => known,
            Identified::Unknown => return Err(assume::Refusal::Unknown),
            Identified::TooMany => return Err(assume::Refusal::TooMany),
        };
        // From here on what the owner's tenant decided about the plugin counts.
        let tenant = Some(known.tenant());
        let effective = self.directory.snapshot().effective(tenant, None, &call.effective.plugin);
        let effective = effective.filter(|effective| effective.is_on());
        let off = || assume::Refusal::Denied("the plugin is off for the owner of this key".into());
        call.effective = effective.ok_or_else(off)?;
        call.owner = Owner::of(tenant, &call.effective);
        call.serving = Serving::Request { caller: Some(known), peer };
        Ok(())
    }

    /// Runs a request of the REST core with the credentials of the caller being served.
    pub(crate) async fn rest(&self, call: &mut CallInfo, request: rest::Request) -> Result<PluginResponse, Refusal> {
        call.check_grant(Grant::Rest).map_err(Refusal::Denied)?;
        let Serving::Request { caller, peer } = &call.serving else {
            return Err(Refusal::Denied("this hook serves no caller whose credentials `rest` could use".into()));
        };
        let sender = rest::Sender { caller: caller.clone(), peer: *peer };
        if !call.states.rest.take(self.limits.rest_calls) {
            return Err(Refusal::TooLarge(format!("one call may make {} requests", self.limits.rest_calls)));
        }
        let rest = self.rest.get().ok_or_else(|| Refusal::Unavailable("the REST core is still starting".into()))?;
        call.away(rest::run(&**rest, sender, request, self.limits.rest_body_bytes)).await
    }

    /// The values that the plugin keeps for the tenant that the call concerns, or for one of its devices.
    pub(crate) fn kv(
        &self,
        call: &mut CallInfo,
        device: Option<DeviceId>,
    ) -> Result<(Arc<dyn PluginKv>, KvScope), KvError> {
        call.check_grant(Grant::Kv).map_err(KvError::Denied)?;
        if call.pure {
            return Err(KvError::Denied("this hook is pure: what it needs has to be in its arguments".into()));
        }
        let tenant = call.owner.tenant.clone();
        let tenant = tenant.ok_or_else(|| KvError::Denied("this call concerns no tenant".into()))?;
        if !call.states.kv.take(self.limits.kv_calls) {
            return Err(KvError::TooLarge(format!("one call may use `kv` {} times", self.limits.kv_calls)));
        }
        let kv = self.kv.clone().ok_or_else(|| KvError::Unavailable("this runtime keeps no values".into()))?;
        Ok((kv, KvScope { tenant, plugin: call.effective.plugin.clone(), device }))
    }
}
