//! The outermost middleware: request ids, spans, metrics, the time limit, panics, and the bodies of problems.
//!
//! Invariant: whatever happens inside, the client gets an answer with `X-Request-Id`, and no span holds a query or a body.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use tracing::{Instrument, Span, field};
use ulid::Ulid;

use crate::api::App;
use crate::credentials::InProcessCaller;
use crate::problem::{Problem, Reader, render};
use crate::v1;
use portico_api::ProblemCode;

/// Names a request in answers and in the log.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Maximum length of a request id that is taken over from the client.
const REQUEST_ID_CHARS_MAX: usize = 64;

/// The name of a dialect's route in metrics and spans, put into the response by the mount.
#[derive(Clone, Debug)]
pub(crate) struct RouteLabel(pub(crate) String);

/// The middleware around all others.
pub(crate) async fn outermost(State(app): State<App>, request: Request, next: Next) -> Response {
    let in_process = request.extensions().get::<InProcessCaller>().is_some();
    let id = request_id(&app, request.headers());
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let native = matched.as_ref().is_some_and(|p| p.as_str().starts_with("/v1"));
    let span = tracing::info_span!(
        "http.request",
        "http.method" = %method,
        "http.route" = field::Empty,
        "http.status" = field::Empty,
        "duration_ms" = field::Empty,
        "request.id" = %id,
    );
    let started = Instant::now();
    let _in_flight = (!in_process).then(|| app.metrics.begin());
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    let answer = async {
        match answer.await {
            Ok(response) => response,
            Err(_) => Problem::panicked().into_response(),
        }
    };
    let limit = match matched.as_ref().map(MatchedPath::as_str) {
        _ if in_process => Duration::MAX,
        Some(v1::MEDIA) if method == Method::POST => app.config.transfer_timeout,
        Some(v1::MESSAGE_MEDIA | v1::LINK) => app.config.transfer_timeout,
        _ => app.config.request_timeout,
    };
    let response = within(limit, answer).instrument(span.clone()).await;
    let label = response.extensions().get::<RouteLabel>().cloned();
    let route = match (&label, &matched) {
        (Some(label), _) => label.0.as_str(),
        (None, Some(path)) => path.as_str(),
        (None, None) => "unmatched",
    };
    let took = started.elapsed();
    finish(&span, route, response.status(), took);
    if !in_process {
        app.metrics.record(&method, route, response.status(), took);
    }
    let reader = if in_process { Reader::Dialect } else { Reader::Client };
    with_headers(render(response, &id, reader), &id, native)
}

async fn within(limit: Duration, answer: impl Future<Output = Response>) -> Response {
    match tokio::time::timeout(limit, answer).await {
        Ok(response) => response,
        Err(_) => {
            let why = format!("no answer within {} s; the request may still take effect", limit.as_secs());
            Problem::new(ProblemCode::Timeout, why).into_response()
        }
    }
}

fn finish(span: &Span, route: &str, status: StatusCode, took: Duration) {
    span.record("http.route", route);
    span.record("http.status", status.as_u16());
    span.record("duration_ms", u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    let _entered = span.enter();
    tracing::debug!("request answered");
}

/// The client's own id when it is short and harmless, else a fresh one.
fn request_id(app: &App, headers: &HeaderMap) -> String {
    let sane = |id: &&str| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        (1..=REQUEST_ID_CHARS_MAX).contains(&id.len()) && id.bytes().all(allowed)
    };
    match headers.get(&REQUEST_ID).and_then(|v| v.to_str().ok()).filter(sane) {
        Some(id) => id.to_owned(),
        None => {
            let ports = &app.services.ports;
            let ulid = Ulid::from_parts(ports.now().0.unsigned_abs(), ports.rng.bits());
            format!("req_{}", ulid.to_string().to_ascii_lowercase())
        }
    }
}

/// Headers that every answer carries.
fn with_headers(mut response: Response, id: &str, native: bool) -> Response {
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if native {
        // Answers hold keys, codes and messages; nothing in between may keep them.
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
    response
}
