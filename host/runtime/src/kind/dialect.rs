//! The hook `http-handler`: a request at a dialect's mount in, an HTTP answer out.

use portico_core::ports::plugins::{Hook, PluginRequest, PluginResponse};

use crate::bindings::http_handler as wit;
use crate::call::{FreshInstance, GuestResult, HookCall};
use crate::limits::{HEADER_BYTES_MAX, RESPONSE_BODY_BYTES_MAX, RESPONSE_HEADERS_MAX};
use crate::validate::check_headers;

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
    const HOOK: Hook = Hook::HttpHandler;
    const PURE: bool = false;
    type Raw = wit::Response;
    type Answer = PluginResponse;

    async fn run(&self, guest: FreshInstance<'_>) -> wasmtime::Result<GuestResult<Self::Raw>> {
        let hook = guest.export(|exports| exports.http_handler.as_ref())?.load(&mut *guest.store, &guest.instance)?;
        hook.call_handle(guest.store, guest.context, &self.0).await
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
