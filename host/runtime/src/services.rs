//! The host functions that guests call. Grants, budgets and quotas are checked here and nowhere else.

use std::sync::{Arc, OnceLock};

use portico_core::access::Caller;
use portico_core::ports::plugins::{Grant, Hook, PluginResponse, Rest};

use crate::import::CallStates;
use crate::import::log::{Line, LogQuota};
use crate::import::rest::{self, Refusal};
use crate::limits::{LOG_LINES_PER_CALL_MAX, Limits};

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
    /// The sender of a request; `None` when it came without valid credentials.
    Request(Option<Caller>),
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

    /// Runs a request of the REST core with the credentials of the caller being served.
    pub(crate) async fn rest(&self, call: &mut CallInfo, request: rest::Request) -> Result<PluginResponse, Refusal> {
        if !call.plugin.grants.contains(&Grant::Rest) {
            return Err(Refusal::Denied("the manifest does not ask for the grant `rest`".into()));
        }
        let Serving::Request(caller) = &call.serving else {
            return Err(Refusal::Denied("this hook serves no caller whose credentials `rest` could use".into()));
        };
        if !call.states.rest.take(self.limits.rest_calls) {
            return Err(Refusal::TooLarge(format!("one call may make {} requests", self.limits.rest_calls)));
        }
        let rest = self.rest.get().ok_or_else(|| Refusal::Unavailable("the REST core is still starting".into()))?;
        rest::run(&**rest, caller.clone(), request, self.limits.rest_body_bytes).await
    }
}
