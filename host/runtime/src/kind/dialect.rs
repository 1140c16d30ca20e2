//! The hook `http-handler`: a request at a dialect's mount in, an HTTP answer out.

use portico_core::ports::plugins::{Hook, PluginRequest, PluginResponse};
use wasmtime::Store;

use super::{GuestResult, HookCall, HookKind};
use crate::bindings::http_handler as wit;
use crate::bindings::types::Context;
use crate::breaker::FailureMode;
use crate::guest::Guest;
use crate::limits::{HEADER_BYTES_MAX, HookLimits, Limits, RESPONSE_BODY_BYTES_MAX, RESPONSE_HEADERS_MAX};
use crate::validate::check_headers;

/// The hook.
pub(crate) struct Kind;

impl HookKind for Kind {
    const HOOK: Hook = Hook::HttpHandler;
    const ON_FAILURE: FailureMode = FailureMode::FailOpen;
    const PURE: bool = false;
    type Export = wit::GuestIndices;
    type Smoke = Handle;

    fn limits(limits: &Limits) -> HookLimits {
        limits.http_handler
    }

    /// A request may have any effect, so that none is made to check the hook.
    fn smoke() -> Option<Handle> {
        None
    }
}

/// One request.
pub(crate) struct Handle(wit::Request);

impl Handle {
    /// A request of a caller with good credentials, or without any.
    pub(crate) fn new(request: PluginRequest, authenticated: bool) -> Self {
        let PluginRequest { method, path, query, headers, body } = request;
        let caller = if authenticated { "key" } else { "anonymous" };
        Self(wit::Request { method, path, query, headers, body, caller: caller.into() })
    }
}

impl HookCall for Handle {
    type Kind = Kind;
    type Raw = wit::Response;
    type Answer = PluginResponse;

    async fn run(
        &self,
        hook: &wit::Guest,
        store: &mut Store<Guest>,
        context: &Context,
    ) -> wasmtime::Result<GuestResult<Self::Raw>> {
        hook.call_handle(store, context, &self.0).await
    }

    fn check(&self, raw: Self::Raw) -> Result<Self::Answer, String> {
        if !(200..600).contains(&raw.status) {
            return Err(format!("{} is no final HTTP status", raw.status));
        }
        check_headers(&raw.headers, RESPONSE_HEADERS_MAX, HEADER_BYTES_MAX)?;
        if raw.body.len() > RESPONSE_BODY_BYTES_MAX {
            return Err(format!("the body is larger than {RESPONSE_BODY_BYTES_MAX} bytes"));
        }
        Ok(PluginResponse { status: raw.status, headers: raw.headers, body: raw.body })
    }
}
