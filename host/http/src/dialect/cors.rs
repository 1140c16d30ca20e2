//! Calls from pages of other origins (CORS), for the mounts that the operator opens to them.
//!
//! Keys travel in headers and never in cookies, so no answer lets browsers send cookies along. A preflight is answered here: it
//! carries no credentials, and no plugin is asked.

use axum::extract::Request;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::table::{Match, Table};
use crate::config::CorsOrigin;

/// Headers of answers that pages may read beside the few that browsers always show.
const EXPOSED: &str = "x-request-id, retry-after, ratelimit-limit, ratelimit-remaining, ratelimit-reset, \
x-ratelimit-limit, x-ratelimit-remaining, x-ratelimit-reset, content-disposition";
/// Headers that a page may send to any route, beside those with credentials.
const ALWAYS_ALLOWED: &str = "content-type, accept, range, idempotency-key";
/// How long browsers remember a preflight, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// The origin of the page that makes a request, if a plugin that may answer it is open to the page.
pub(super) fn allowed(opened: &[CorsOrigin], table: &Table, found: &Match, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(ORIGIN)?;
    let is_open = match found {
        Match::Routes(claims) => claims.iter().any(|claim| is_open(opened, table, claim.plugin, origin)),
        Match::OtherMethods { plugin } | Match::Nothing { plugin } => is_open(opened, table, *plugin, origin),
    };
    is_open.then(|| origin.clone())
}

/// The answer to a preflight for a mount that is open to the page. `None`: the request is none, or nobody opened the mount.
pub(super) fn preflight(opened: &[CorsOrigin], table: &Table, request: &Request) -> Option<Response> {
    if request.method() != Method::OPTIONS || opened.is_empty() {
        return None;
    }
    let method = request.headers().get(ACCESS_CONTROL_REQUEST_METHOD)?;
    let asked = Method::from_bytes(method.as_bytes()).ok()?;
    let found = table.find(&asked, request.uri().path())?;
    let origin = allowed(opened, table, &found.matched, request.headers())?;
    let Match::Routes(claims) = &found.matched else { return None };
    let credentials = claims.iter().flat_map(|claim| table.route(claim).auth.iter().flatten()).map(String::as_str);
    let sent: Vec<&str> = credentials.chain([ALWAYS_ALLOWED]).collect();
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, method.clone());
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_str(&sent.join(", ")).ok()?);
    headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    headers.append(VARY, HeaderValue::from_static("origin"));
    Some(response)
}

/// Lets the page of this origin read the answer.
pub(super) fn announce(origin: Option<HeaderValue>, headers: &mut HeaderMap) {
    let Some(origin) = origin else { return };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    headers.append(VARY, HeaderValue::from_static("origin"));
}

fn is_open(opened: &[CorsOrigin], table: &Table, plugin: usize, origin: &HeaderValue) -> bool {
    let Some(mount) = table.mount(plugin) else { return false };
    opened
        .iter()
        .any(|one| one.mount == mount.name && (one.origin == "*" || one.origin.as_bytes() == origin.as_bytes()))
}
