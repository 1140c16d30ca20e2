//! The hook `http-handler`: routes as data, a request in and an answer out, and refusals in the plugin's words.

use portico_core::access::Caller;
use portico_core::ports::plugins::{
    Answer, AnswerBody, Handled, Hook, PartValue, PluginRequest, Refusal, RequestContent, Route,
};
use wasmtime::Store;

use super::{GuestResult, HookCall, HookKind};
use crate::bindings::http_handler as wit;
use crate::bindings::types::Context;
use crate::breaker::FailureMode;
use crate::guest::Guest;
use crate::limits::{
    HEADER_BYTES_MAX, HookLimits, Limits, RESPONSE_BODY_BYTES_MAX, RESPONSE_HEADERS_MAX, ROUTE_HEADERS_MAX,
    ROUTE_PATH_BYTES_MAX, ROUTES_MAX,
};
use crate::services::Serving;
use crate::validate::{check_header_name, check_headers};

/// The hook.
pub(crate) struct Kind;

impl HookKind for Kind {
    const HOOK: Hook = Hook::HttpHandler;
    const ON_FAILURE: FailureMode = FailureMode::FailOpen;
    const PURE: bool = false;
    type Export = wit::GuestIndices;
    type Smoke = Routes;

    fn limits(limits: &Limits) -> HookLimits {
        limits.http_handler
    }

    fn smoke() -> Option<Routes> {
        Some(Routes)
    }
}

/// Asks for the routes.
pub(crate) struct Routes;

impl HookCall for Routes {
    type Kind = Kind;
    type Raw = Vec<wit::Route>;
    type Answer = Vec<Route>;

    async fn run(
        &self,
        hook: &wit::Guest,
        store: &mut Store<Guest>,
        _: &Context,
    ) -> wasmtime::Result<GuestResult<Self::Raw>> {
        Ok(Ok(hook.call_routes(store).await?))
    }

    fn check(&self, raw: Self::Raw) -> Result<Self::Answer, String> {
        if raw.len() > ROUTES_MAX {
            return Err(format!("{} routes, at most {ROUTES_MAX} are allowed", raw.len()));
        }
        raw.into_iter().map(route).collect()
    }
}

/// One route, if it keeps the rules.
fn route(raw: wit::Route) -> Result<Route, String> {
    let wit::Route { method, path, auth, limits, body_max, uploads, multipart, page } = raw;
    let named = |why: &str| Err(format!("the route `{method} {path}` {why}"));
    if !matches!(method.as_str(), "GET" | "POST" | "PUT" | "PATCH" | "DELETE") {
        return named("has a method other than GET, POST, PUT, PATCH and DELETE");
    }
    if path.len() > ROUTE_PATH_BYTES_MAX || !path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_segment))
    {
        return named("has a path that can't be matched: segments are literal, or one parameter in braces");
    }
    let headers = auth.iter().flatten();
    if headers.clone().count() > ROUTE_HEADERS_MAX {
        return named("names too many headers with credentials");
    }
    for name in headers {
        check_header_name(name).map_err(|why| format!("the route `{method} {path}`: {why}"))?;
    }
    let body_bytes_max = (body_max > 0).then(|| usize::try_from(body_max).unwrap_or(usize::MAX));
    Ok(Route { method, path, auth, limits, body_bytes_max, uploads, multipart, page })
}

/// A literal segment, or a parameter such as `{instance}`.
fn is_segment(segment: &str) -> bool {
    let name = segment.strip_prefix('{').map_or(Some(segment), |rest| rest.strip_suffix('}'));
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    name.is_some_and(|name| !name.is_empty() && !matches!(name, "." | "..") && name.bytes().all(is_plain))
}

/// One request.
pub(crate) struct Handle(wit::Request);

impl Handle {
    /// The request as the guest sees it, and on whose behalf it is handled.
    pub(crate) fn new(request: PluginRequest) -> (Self, Serving) {
        let PluginRequest { route, params, path, query, headers, content, caller, peer } = request;
        let route = u32::try_from(route).unwrap_or(u32::MAX);
        let who = caller.as_ref().map_or(wit::Caller::Nobody, |caller| wit::Caller::Known(identity(caller)));
        let content = match content {
            RequestContent::Bytes(bytes) => wit::Content::Bytes(bytes),
            RequestContent::Parts(parts) => {
                let part = |part: portico_core::ports::plugins::RequestPart| wit::Part {
                    name: part.name,
                    value: match part.value {
                        PartValue::Text(text) => wit::PartValue::Text(text),
                        PartValue::Upload(upload) => wit::PartValue::Upload(wit::Upload {
                            id: upload.id,
                            bytes: upload.bytes,
                            media_type: upload.media_type,
                            file_name: upload.file_name,
                        }),
                    },
                };
                wit::Content::Parts(parts.into_iter().map(part).collect())
            }
        };
        let request = wit::Request { route, params, path, query, headers, content, caller: who };
        (Self(request), Serving::Request { caller, peer })
    }
}

fn identity(caller: &Caller) -> wit::Identity {
    wit::Identity {
        tenant: caller.tenant().to_string(),
        user: caller.user().map(ToString::to_string),
        number: caller.user_number(),
        device: caller.device().map(ToString::to_string),
        scopes: caller.scopes().iter().map(|scope| scope.as_str().to_owned()).collect(),
    }
}

impl HookCall for Handle {
    type Kind = Kind;
    type Raw = wit::Outcome;
    type Answer = Handled;

    async fn run(
        &self,
        hook: &wit::Guest,
        store: &mut Store<Guest>,
        context: &Context,
    ) -> wasmtime::Result<GuestResult<Self::Raw>> {
        hook.call_handle(store, context, &self.0).await
    }

    fn check(&self, raw: Self::Raw) -> Result<Self::Answer, String> {
        match raw {
            wit::Outcome::Answer(response) => answer(response).map(Handled::Answer),
            wit::Outcome::Pass => Ok(Handled::Pass),
        }
    }
}

/// One refusal.
pub(crate) struct Refuse(wit::Refusal);

impl Refuse {
    pub(crate) fn new(refusal: Refusal) -> Self {
        let Refusal { status, code, detail, method, path, route, missing, retry_after } = refusal;
        let seconds = |wait: std::time::Duration| u32::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX);
        let route = route.map(|route| u32::try_from(route).unwrap_or(u32::MAX));
        let retry_after = retry_after.map(seconds);
        Self(wit::Refusal { status, code, detail, method, path, route, missing, retry_after })
    }
}

impl HookCall for Refuse {
    type Kind = Kind;
    type Raw = wit::Response;
    type Answer = Answer;

    async fn run(
        &self,
        hook: &wit::Guest,
        store: &mut Store<Guest>,
        context: &Context,
    ) -> wasmtime::Result<GuestResult<Self::Raw>> {
        hook.call_refuse(store, context, &self.0).await
    }

    fn check(&self, raw: Self::Raw) -> Result<Self::Answer, String> {
        answer(raw)
    }
}

fn answer(raw: wit::Response) -> Result<Answer, String> {
    if !(200..600).contains(&raw.status) {
        return Err(format!("{} is no final HTTP status", raw.status));
    }
    check_headers(&raw.headers, RESPONSE_HEADERS_MAX, HEADER_BYTES_MAX)?;
    let body = match raw.body {
        wit::Body::Bytes(bytes) if bytes.len() > RESPONSE_BODY_BYTES_MAX => {
            return Err(format!("the body is larger than {RESPONSE_BODY_BYTES_MAX} bytes"));
        }
        wit::Body::Bytes(bytes) => AnswerBody::Bytes(bytes),
        wit::Body::Of(path) => AnswerBody::Of(path),
    };
    Ok(Answer { status: raw.status, headers: raw.headers, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(method: &str, path: &str, auth: &[&[&str]]) -> wit::Route {
        wit::Route {
            method: method.into(),
            path: path.into(),
            auth: auth.iter().map(|set| set.iter().map(|name| (*name).to_owned()).collect()).collect(),
            limits: Vec::new(),
            body_max: 0,
            uploads: Vec::new(),
            multipart: false,
            page: false,
        }
    }

    #[test]
    fn routes_that_cannot_be_matched_are_refused() {
        for path in ["/api/x", "/api/{id}/qr", "/api-docs.html", "/"] {
            assert_eq!(route(raw("GET", path, &[&["x-api-key"]])).is_ok(), path != "/", "{path}");
        }
        for path in ["api", "/a//b", "/a/{id", "/a/{}", "/a/x{id}", "/a/..", "/a b", "/a/"] {
            assert!(route(raw("GET", path, &[])).is_err(), "{path}");
        }
        assert!(route(raw("OPTIONS", "/a", &[])).is_err());
        assert!(route(raw("GET", "/a", &[&["X-Key"]])).is_err(), "names are in lower case");
    }
}
