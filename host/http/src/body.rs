//! Request bodies: read whole, within a limit, before a handler runs.
//!
//! A body is read after [`crate::auth`] and before the request waits for a concurrency permit. So strangers are turned away
//! from routes that need a key without a byte of theirs being read, and a slow body keeps no other request waiting.
//! Where strangers are served (dialects, pages, a sign-up), the bodies of all of them together hold at most
//! `anonymous_bodies_bytes`.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use bytes::BytesMut;
use futures_util::StreamExt;
use portico_core::Error;
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::Problem;

/// The header with which a request is made safe to repeat.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Hash over method, path and body of a request that has an `Idempotency-Key`.
#[derive(Clone, Debug)]
pub(crate) struct Fingerprint(pub(crate) String);

/// The bytes a body holds of those that all strangers share; `None`: it is empty, or its sender has a good key.
pub(crate) type SharedBytes = Option<OwnedSemaphorePermit>;

/// Reads the body of a request into memory. With `shared`, every byte takes one of its permits.
pub(crate) async fn buffered(
    request: Request,
    limit: usize,
    shared: Option<&Arc<Semaphore>>,
) -> Result<(Request, SharedBytes), Problem> {
    let (mut parts, body) = request.into_parts();
    if let Some(length) = declared_length(&parts.headers)
        && length > limit as u64
    {
        return Err(too_large(limit));
    }
    let (bytes, held) = read(body, limit, shared).await?;
    if parts.headers.contains_key(IDEMPOTENCY_KEY) {
        let print = fingerprint(&parts.method, parts.uri.path(), &bytes);
        parts.extensions.insert(Fingerprint(print));
    }
    Ok((Request::from_parts(parts, Body::from(bytes)), held))
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn read(body: Body, limit: usize, shared: Option<&Arc<Semaphore>>) -> Result<(Bytes, SharedBytes), Problem> {
    let mut stream = body.into_data_stream();
    let (mut bytes, mut held) = (BytesMut::new(), None);
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| {
            Problem::new(StatusCode::BAD_REQUEST, "body_incomplete", "the body did not arrive whole; send it again")
        })?;
        if bytes.len() + chunk.len() > limit {
            return Err(too_large(limit));
        }
        if let Some(shared) = shared {
            acquire_more(&mut held, shared, chunk.len())?;
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok((bytes.freeze(), held))
}

/// Takes permits for bytes that have arrived. A length that is only announced takes none, so it can't keep others out.
fn acquire_more(held: &mut SharedBytes, shared: &Arc<Semaphore>, bytes: usize) -> Result<(), Problem> {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    let Ok(more) = Arc::clone(shared).try_acquire_many_owned(bytes) else {
        return Err(Problem::overloaded(
            "too much is being sent without a good key; try again in a moment, or with a key",
        ));
    };
    match held {
        Some(held) => held.merge(more),
        None => *held = Some(more),
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
    async fn the_bodies_of_strangers_share_a_limit() {
        let shared = Arc::new(Semaphore::new(8));
        let chunks = |texts: [&'static str; 2]| {
            Body::from_stream(futures_util::stream::iter(texts.map(Ok::<_, std::convert::Infallible>)))
        };
        let first = read(chunks(["123", "45"]), 8, Some(&shared)).await.unwrap();
        assert_eq!((&first.0[..], shared.available_permits()), (&b"12345"[..], 3));
        let refused = read(chunks(["123", "4"]), 8, Some(&shared)).await.unwrap_err();
        assert_eq!((refused.code, shared.available_permits()), ("overloaded", 3));
        assert!(read(chunks(["123", "4"]), 8, None).await.is_ok(), "bodies sent with a good key take no part in it");
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
