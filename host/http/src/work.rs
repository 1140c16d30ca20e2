//! Work under way: bodies are read whole and within a limit before anything else, only so many requests run at once, and a
//! request that changes something is finished even when its client hangs up.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use futures_util::StreamExt;
use portico_core::Error;
use sha2::{Digest, Sha256};
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument;

use crate::api::App;
use crate::credentials::Injected;
use crate::problem::Problem;

/// The header with which a request is made safe to repeat.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Hash over method, path and body of a request that has an `Idempotency-Key`.
#[derive(Clone, Debug)]
pub(crate) struct Fingerprint(pub(crate) String);

/// The middleware of every route and mount.
pub(crate) async fn run(State(app): State<App>, request: Request, next: Next) -> Response {
    let request = match buffered(request, app.config.body_bytes_max).await {
        Ok(request) => request,
        Err(problem) => return problem.into_response(),
    };
    // Whether the gateway lives must be answered also when it is busy.
    let free = request.extensions().get::<Injected>().is_some() || request.uri().path() == "/health";
    let permit = match permit(&app, free).await {
        Ok(permit) => permit,
        Err(problem) => return problem.into_response(),
    };
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        let response = next.run(request).await;
        drop(permit);
        return response;
    }
    let work = async move {
        let response = next.run(request).await;
        drop(permit);
        response
    };
    match tokio::spawn(work.in_current_span()).await {
        Ok(response) => response,
        Err(_) => Problem::panicked().into_response(),
    }
}

/// Waits for a turn, unless the request needs none: those from within the process belong to one that has its turn already.
async fn permit(app: &App, free: bool) -> Result<Option<OwnedSemaphorePermit>, Problem> {
    if free {
        return Ok(None);
    }
    let turn = Arc::clone(&app.turns).acquire_owned();
    match tokio::time::timeout(app.config.queue_timeout, turn).await {
        Ok(Ok(permit)) => Ok(Some(permit)),
        Ok(Err(_)) | Err(_) => {
            let why = "too many requests are under way; try again in a moment";
            let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", why);
            Err(problem.retry_after(std::time::Duration::from_secs(1)))
        }
    }
}

async fn buffered(request: Request, limit: usize) -> Result<Request, Problem> {
    let (mut parts, body) = request.into_parts();
    if let Some(length) = declared_length(&parts.headers)
        && length > limit as u64
    {
        return Err(too_large(limit));
    }
    let bytes = read(body, limit).await?;
    if parts.headers.contains_key(IDEMPOTENCY_KEY) {
        let print = fingerprint(&parts.method, parts.uri.path(), &bytes);
        parts.extensions.insert(Fingerprint(print));
    }
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn read(body: Body, limit: usize) -> Result<Bytes, Problem> {
    let mut stream = body.into_data_stream();
    let mut bytes = BytesMut::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| {
            Problem::new(StatusCode::BAD_REQUEST, "body_incomplete", "the body did not arrive whole; send it again")
        })?;
        if bytes.len() + chunk.len() > limit {
            return Err(too_large(limit));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

fn too_large(limit: usize) -> Problem {
    Error::TooLarge { what: "the body", limit_bytes: limit as u64 }.into()
}

fn fingerprint(method: &Method, path: &str, body: &[u8]) -> String {
    let mut hash = Sha256::new();
    for part in [method.as_str().as_bytes(), path.as_bytes(), body] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(body: Body) -> Request {
        Request::post("/v1/devices").header(IDEMPOTENCY_KEY, "k1").body(body).unwrap()
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused_declared_or_not() {
        let declared = Request::post("/").header(CONTENT_LENGTH, "9").body(Body::empty()).unwrap();
        assert_eq!(buffered(declared, 8).await.unwrap_err().code, "too_large");
        let chunks = futures_util::stream::iter(["12345", "6789"].map(Ok::<_, std::convert::Infallible>));
        assert_eq!(buffered(request(Body::from_stream(chunks)), 8).await.unwrap_err().code, "too_large");
        assert!(buffered(request(Body::from("12345678")), 8).await.is_ok());
    }

    #[tokio::test]
    async fn the_fingerprint_tells_bodies_apart() {
        let print = async |body: &'static str| {
            let request = buffered(request(Body::from(body)), 100).await.unwrap();
            request.extensions().get::<Fingerprint>().unwrap().0.clone()
        };
        assert_eq!(print("a").await, print("a").await);
        assert_ne!(print("a").await, print("b").await);
    }
}
