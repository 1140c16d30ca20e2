//! The host functions that guests call. Grants, budgets and quotas are checked here and nowhere else.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use portico_core::access::Caller;
use portico_core::ports::plugins::{Grant, Hook, Identified, PluginResponse, Rest};

use crate::import::CallStates;
use crate::import::assume;
use crate::import::log::{Line, LogQuota};
use crate::import::rest::{self, Refusal};
use crate::limits::{ASSUMED_KEYS_MAX, LOG_LINES_PER_CALL_MAX, Limits};

/// The host's side of every import.
pub(crate) struct HostServices {
    rest: OnceLock<Arc<dyn Rest>>,
    limits: Limits,
}

/// The call of a hook that a host function is called from.
pub(crate) struct CallInfo {
    pub(crate) plugin: Arc<Grantee>,
    pub(crate) hook: Hook,
    pub(crate) call_id: String,
    pub(crate) serving: Serving,
    pub(crate) states: CallStates,
}

/// A plugin as the holder of grants and quotas.
pub(crate) struct Grantee {
    pub(crate) id: String,
    pub(crate) grants: Vec<Grant>,
    pub(crate) log: LogQuota,
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

impl HostServices {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { rest: OnceLock::new(), limits }
    }

    /// Gives the REST core, once it is there. Later ones are ignored.
    pub(crate) fn set_rest(&self, rest: Arc<dyn Rest>) {
        if self.rest.set(rest).is_err() {
            tracing::warn!("the REST core was given to the plugin runtime twice; the first one stays");
        }
    }

    /// Writes a guest's log line, if the call and the plugin have lines left.
    pub(crate) fn log(&self, call: &mut CallInfo, line: &Line) {
        if !call.states.log.take(LOG_LINES_PER_CALL_MAX) {
            return;
        }
        call.plugin.log.write(call, line, self.limits.log_lines_per_minute);
    }

    /// Lets the rest of the call act for whoever owns `key`.
    pub(crate) async fn assume(&self, call: &mut CallInfo, key: &str) -> Result<(), assume::Refusal> {
        if !call.plugin.grants.contains(&Grant::Assume) {
            return Err(assume::Refusal::Denied("the manifest does not ask for the grant `assume`".into()));
        }
        let Serving::Request { caller, peer } = &mut call.serving else {
            return Err(assume::Refusal::Denied("this hook serves no request".into()));
        };
        let rest = self.rest.get().ok_or_else(|| assume::Refusal::Denied("the REST core is still starting".into()))?;
        if !call.states.assume.take(ASSUMED_KEYS_MAX) {
            return Err(assume::Refusal::TooMany);
        }
        match rest.identify(key, *peer).await {
            Identified::Known(known) => *caller = Some(known),
            Identified::Unknown => return Err(assume::Refusal::Unknown),
            Identified::TooMany => return Err(assume::Refusal::TooMany),
        }
        Ok(())
    }

    /// Runs a request of the REST core with the credentials of the caller being served.
    pub(crate) async fn rest(&self, call: &mut CallInfo, request: rest::Request) -> Result<PluginResponse, Refusal> {
        if !call.plugin.grants.contains(&Grant::Rest) {
            return Err(Refusal::Denied("the manifest does not ask for the grant `rest`".into()));
        }
        let Serving::Request { caller, .. } = &call.serving else {
            return Err(Refusal::Denied("this hook serves no caller whose credentials `rest` could use".into()));
        };
        if !call.states.rest.take(self.limits.rest_calls) {
            return Err(Refusal::TooLarge(format!("one call may make {} requests", self.limits.rest_calls)));
        }
        let rest = self.rest.get().ok_or_else(|| Refusal::Unavailable("the REST core is still starting".into()))?;
        rest::run(&**rest, caller.clone(), request, self.limits.rest_body_bytes).await
    }
}
