//! Work under way: bodies are read whole and within a limit, only so many requests run at once, and a request that changes
//! something is finished even when its client hangs up.
//!
//! A body is read after [`crate::admit`] and before the turn. So strangers are turned away from routes that need a key
//! without a byte of theirs being read, and a body that comes slowly keeps nobody else waiting. Where strangers are served
//! (by dialects, pages, a sign-up) their bodies have to be read: all those held at once share `anonymous_bodies_bytes`, on
//! however many connections they come. Callers with a good key take no part in that: a tenant has only so many requests under
//! way, from before their bodies come until they are answered, so that it can take neither the memory nor all the turns.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{Extensions, HeaderMap, HeaderName, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use futures_util::StreamExt;
use portico_core::Error;
use portico_core::id::TenantId;
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;

use crate::api::App;
use crate::credentials::{Identity, Injected};
use crate::places::Place;
use crate::problem::Problem;

/// The header with which a request is made safe to repeat.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// When a request that was one too many may come again.
const RETRY: Duration = Duration::from_secs(1);

/// Hash over method, path and body of a request that has an `Idempotency-Key`.
#[derive(Clone, Debug)]
pub(crate) struct Fingerprint(pub(crate) String);

/// The middleware of every route.
pub(crate) async fn run(State(app): State<App>, request: Request, next: Next) -> Response {
    through(&app, request, |request| next.run(request)).await
}

/// Sees a request through, once it is admitted: its body, its turn, and `serve`, to the end.
pub(crate) async fn through<F>(app: &App, request: Request, serve: impl FnOnce(Request) -> F) -> Response
where
    F: Future<Output = Response> + Send + 'static,
{
    let is_inside = request.extensions().get::<Injected>().is_some();
    // What comes from within the process is in memory already, and belongs to a request that was counted.
    let tenant = if is_inside { None } else { tenant(request.extensions()) };
    let shared = (!is_inside && tenant.is_none()).then_some(&app.anonymous_bytes);
    let place = match tenant.map(|tenant| place(app, tenant)).transpose() {
        Ok(place) => place,
        Err(problem) => return problem.into_response(),
    };
    let (request, share) = match buffered(request, app.config.body_bytes_max, shared).await {
        Ok(read) => read,
        Err(problem) => return problem.into_response(),
    };
    // Those from within belong to one that has its turn; and whether the gateway lives must be answered also when it is busy.
    let is_free = is_inside || request.uri().path() == "/health";
    let turn = match if is_free { Ok(None) } else { turn(app).await.map(Some) } {
        Ok(turn) => turn,
        Err(problem) => return problem.into_response(),
    };
    let is_change = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let served = serve(request);
    let work = async move {
        let response = served.await;
        drop((turn, share, place));
        response
    };
    if !is_change {
        return work.await;
    }
    match tokio::spawn(work.in_current_span()).await {
        Ok(response) => response,
        Err(_) => Problem::panicked().into_response(),
    }
}

/// Whose request it is; `None`: a stranger's.
fn tenant(extensions: &Extensions) -> Option<&TenantId> {
    match extensions.get() {
        Some(Identity::Known(caller)) => Some(caller.tenant()),
        _ => None,
    }
}

/// Takes one of the tenant's requests under way.
fn place(app: &App, tenant: &TenantId) -> Result<Place<TenantId>, Problem> {
    let limit = app.config.concurrent_per_tenant.max(1);
    app.under_way.take(tenant, limit).ok_or_else(|| {
        let why = format!("this tenant has {limit} requests under way, the limit; wait for some answers first");
        Error::Busy { why, retry_after: RETRY }.into()
    })
}

/// Waits for a turn.
pub(crate) async fn turn(app: &App) -> Result<OwnedSemaphorePermit, Problem> {
    let turn = Arc::clone(&app.turns).acquire_owned();
    match tokio::time::timeout(app.config.queue_timeout, turn).await {
        Ok(Ok(turn)) => Ok(turn),
        Ok(Err(_)) | Err(_) => Err(overloaded("too many requests are under way; try again in a moment")),
    }
}

fn overloaded(why: &str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", why).retry_after(RETRY)
}

/// What a body holds of the bytes that many share; `None`: it is empty, or shares with nobody.
type Share = Option<OwnedSemaphorePermit>;

async fn buffered(
    request: Request,
    limit: usize,
    shared: Option<&Arc<Semaphore>>,
) -> Result<(Request, Share), Problem> {
    let (mut parts, body) = request.into_parts();
    if let Some(length) = declared_length(&parts.headers)
        && length > limit as u64
    {
        return Err(too_large(limit));
    }
    let (bytes, share) = read(body, limit, shared).await?;
    if parts.headers.contains_key(IDEMPOTENCY_KEY) {
        let print = fingerprint(&parts.method, parts.uri.path(), &bytes);
        parts.extensions.insert(Fingerprint(print));
    }
    Ok((Request::from_parts(parts, Body::from(bytes)), share))
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn read(body: Body, limit: usize, shared: Option<&Arc<Semaphore>>) -> Result<(Bytes, Share), Problem> {
    let mut stream = body.into_data_stream();
    let (mut bytes, mut share) = (BytesMut::new(), None);
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| {
            Problem::new(StatusCode::BAD_REQUEST, "body_incomplete", "the body did not arrive whole; send it again")
        })?;
        if bytes.len() + chunk.len() > limit {
            return Err(too_large(limit));
        }
        if let Some(shared) = shared {
            widen(&mut share, shared, chunk.len())?;
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok((bytes.freeze(), share))
}

/// Takes more of the shared bytes. Only for what has come: a length that is merely announced must not keep others out.
fn widen(share: &mut Share, shared: &Arc<Semaphore>, bytes: usize) -> Result<(), Problem> {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    let Ok(more) = Arc::clone(shared).try_acquire_many_owned(bytes) else {
        return Err(overloaded("too much is being sent without a good key; try again in a moment, or with a key"));
    };
    match share {
        Some(share) => share.merge(more),
        None => *share = Some(more),
    }
    Ok(())
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
        assert_eq!(buffered(declared, 8, None).await.unwrap_err().code, "too_large");
        let chunks = futures_util::stream::iter(["12345", "6789"].map(Ok::<_, std::convert::Infallible>));
        assert_eq!(buffered(request(Body::from_stream(chunks)), 8, None).await.unwrap_err().code, "too_large");
        assert!(buffered(request(Body::from("12345678")), 8, None).await.is_ok());
    }

    #[tokio::test]
    async fn strangers_share_the_bytes_of_their_bodies() {
        let shared = Arc::new(Semaphore::new(8));
        let chunks = |texts: [&'static str; 2]| {
            Body::from_stream(futures_util::stream::iter(texts.map(Ok::<_, std::convert::Infallible>)))
        };
        let first = read(chunks(["123", "45"]), 8, Some(&shared)).await.unwrap();
        assert_eq!((&first.0[..], shared.available_permits()), (&b"12345"[..], 3));
        let refused = read(chunks(["123", "4"]), 8, Some(&shared)).await.unwrap_err();
        assert_eq!((refused.code, shared.available_permits()), ("overloaded", 3));
        assert!(read(chunks(["123", "4"]), 8, None).await.is_ok(), "callers with a good key don't take part");
        drop(first);
        assert!(read(chunks(["123", "4"]), 8, Some(&shared)).await.is_ok());
        assert_eq!(shared.available_permits(), 8);
    }

    #[tokio::test]
    async fn the_fingerprint_tells_bodies_apart() {
        let print = async |body: &'static str| {
            let (request, _) = buffered(request(Body::from(body)), 100, None).await.unwrap();
            request.extensions().get::<Fingerprint>().unwrap().0.clone()
        };
        assert_eq!(print("a").await, print("a").await);
        assert_ne!(print("a").await, print("b").await);
    }
}
