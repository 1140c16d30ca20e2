//! Request bodies: read whole, within a limit, before a handler runs.
//!
//! A body is read after [`crate::auth`] and before the request waits for a concurrency permit. So strangers are turned away
//! from routes that need a key without a byte of theirs being read, and a slow body keeps no other request waiting.
//! Where strangers are served (dialects, pages, a sign-up), the bodies of all of them together hold at most
//! `anonymous_bodies_bytes`. A body that comes too slowly is given up: [`BodyLimits`].

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method};
use bytes::BytesMut;
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::config::HttpConfig;
use crate::problem::Problem;
use portico_api::ProblemCode;

/// The header with which a request is made safe to repeat.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Hash over method, path, query, content type and body of a request that has an `Idempotency-Key`.
#[derive(Clone, Debug)]
pub(crate) struct Fingerprint(pub(crate) String);

/// The bytes a body holds of those that all strangers share; `None`: it is empty, or its sender has a good key.
pub(crate) type SharedBytes = Option<OwnedSemaphorePermit>;

/// How much a body may hold and how long it may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLimits {
    bytes_max: usize,
    grace: Duration,
    bytes_per_second_min: usize,
}

impl BodyLimits {
    pub(crate) fn of(config: &HttpConfig) -> Self {
        Self {
            bytes_max: config.body_bytes_max,
            grace: config.body_grace,
            bytes_per_second_min: config.body_bytes_per_second_min,
        }
    }

    /// Those of a request: a component that is installed may be larger than everything else. Only somebody who runs the server
    /// gets as far as having such a body read.
    pub(crate) fn of_request(config: &HttpConfig, request: &Request) -> Self {
        let limits = Self::of(config);
        let installs = request.method() == Method::POST && request.uri().path() == "/v1/plugins";
        if installs { Self { bytes_max: config.component_bytes_max.max(limits.bytes_max), ..limits } } else { limits }
    }

    /// How long after its begin a body may still be coming of which `received` bytes are there; `None`: as long as it likes.
    pub(crate) fn time_for(&self, received: usize) -> Option<Duration> {
        let rate = (self.bytes_per_second_min > 0).then_some(self.bytes_per_second_min)?;
        Some(self.grace + Duration::from_secs_f64(received as f64 / rate as f64))
    }
}

/// Reads the body of a request into memory. With `shared`, every byte takes one of its permits.
pub(crate) async fn buffered(
    request: Request,
    limits: &BodyLimits,
    shared: Option<&Arc<Semaphore>>,
) -> Result<(Request, SharedBytes), Problem> {
    let (mut parts, body) = request.into_parts();
    if let Some(length) = declared_length(&parts.headers)
        && length > limits.bytes_max as u64
    {
        return Err(Problem::body_too_large(limits.bytes_max as u64));
    }
    let (bytes, held) = read(body, limits, shared).await?;
    if parts.headers.contains_key(IDEMPOTENCY_KEY) {
        let print = fingerprint(&parts, &bytes);
        parts.extensions.insert(Fingerprint(print));
    }
    Ok((Request::from_parts(parts, Body::from(bytes)), held))
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn read(
    body: Body,
    limits: &BodyLimits,
    shared: Option<&Arc<Semaphore>>,
) -> Result<(Bytes, SharedBytes), Problem> {
    let mut stream = body.into_data_stream();
    let (mut bytes, mut held) = (BytesMut::new(), None);
    let begin = Instant::now();
    loop {
        let next = match limits.time_for(bytes.len()) {
            Some(time) => timeout_at(begin + time, stream.next()).await.map_err(|_| too_slow(limits))?,
            None => stream.next().await,
        };
        let Some(chunk) = next else { break };
        let chunk = chunk
            .map_err(|_| Problem::new(ProblemCode::BodyIncomplete, "the body did not arrive whole; send it again"))?;
        if bytes.len() + chunk.len() > limits.bytes_max {
            return Err(Problem::body_too_large(limits.bytes_max as u64));
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

pub(crate) fn too_slow(limits: &BodyLimits) -> Problem {
    let rate = limits.bytes_per_second_min;
    let why = format!("the body came too slowly: less than {rate} bytes a second; send the request again");
    Problem::new(ProblemCode::BodyTooSlow, why)
}

fn fingerprint(parts: &Parts, body: &[u8]) -> String {
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let content_type = parts.headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    fingerprint_of([parts.method.as_str().as_bytes(), path.as_bytes(), content_type, body])
}

/// Hash over what identifies a request.
pub(crate) fn fingerprint_of<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // Lengths keep the borders of the parts.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(bytes_max: usize) -> BodyLimits {
        BodyLimits::of(&HttpConfig { body_bytes_max: bytes_max, ..HttpConfig::default() })
    }

    fn request(body: Body) -> Request {
        Request::post("/v1/devices").header(IDEMPOTENCY_KEY, "k1").body(body).unwrap()
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused_declared_or_not() {
        let declared = Request::post("/").header(CONTENT_LENGTH, "9").body(Body::empty()).unwrap();
        assert_eq!(buffered(declared, &limits(8), None).await.unwrap_err().code.as_str(), "too_large");
        let chunks = futures_util::stream::iter(["12345", "6789"].map(Ok::<_, std::convert::Infallible>));
        assert_eq!(
            buffered(request(Body::from_stream(chunks)), &limits(8), None).await.unwrap_err().code.as_str(),
            "too_large"
        );
        assert!(buffered(request(Body::from("12345678")), &limits(8), None).await.is_ok());
    }

    #[tokio::test]
    async fn the_bodies_of_strangers_share_a_limit() {
        let shared = Arc::new(Semaphore::new(8));
        let chunks = |texts: [&'static str; 2]| {
            Body::from_stream(futures_util::stream::iter(texts.map(Ok::<_, std::convert::Infallible>)))
        };
        let first = read(chunks(["123", "45"]), &limits(8), Some(&shared)).await.unwrap();
        assert_eq!((&first.0[..], shared.available_permits()), (&b"12345"[..], 3));
        let refused = read(chunks(["123", "4"]), &limits(8), Some(&shared)).await.unwrap_err();
        assert_eq!((refused.code.as_str(), shared.available_permits()), ("overloaded", 3));
        assert!(
            read(chunks(["123", "4"]), &limits(8), None).await.is_ok(),
            "bodies sent with a good key take no part in it"
        );
        drop(first);
        assert!(read(chunks(["123", "4"]), &limits(8), Some(&shared)).await.is_ok());
        assert_eq!(shared.available_permits(), 8);
    }

    #[tokio::test]
    async fn the_fingerprint_tells_requests_apart() {
        let print = async |path: &str, kind: &str, body: &'static str| {
            let request = Request::post(path).header(IDEMPOTENCY_KEY, "k1").header(CONTENT_TYPE, kind);
            let request = request.body(Body::from(body)).unwrap();
            let (request, _) = buffered(request, &limits(100), None).await.unwrap();
            request.extensions().get::<Fingerprint>().unwrap().0.clone()
        };
        let first = print("/a", "text/a", "a").await;
        assert_eq!(print("/a", "text/a", "a").await, first);
        for (path, kind, body) in
            [("/b", "text/a", "a"), ("/a?b=c", "text/a", "a"), ("/a", "text/b", "a"), ("/a", "text/a", "b")]
        {
            assert_ne!(print(path, kind, body).await, first, "{path} {kind} {body}");
        }
    }

    #[tokio::test]
    async fn a_body_that_comes_too_slowly_is_given_up() {
        let slow = BodyLimits { bytes_max: 100, grace: Duration::from_millis(20), bytes_per_second_min: 500 };
        let begin = [Ok::<_, std::convert::Infallible>("begin")];
        let body = Body::from_stream(futures_util::stream::iter(begin).chain(futures_util::stream::pending()));
        assert_eq!(read(body, &slow, None).await.unwrap_err().code.as_str(), "body_too_slow");
    }

    #[test]
    fn only_a_component_may_be_larger() {
        let config = HttpConfig { body_bytes_max: 10, component_bytes_max: 100, ..HttpConfig::default() };
        let bytes_max = |method: &str, path: &str| {
            let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
            BodyLimits::of_request(&config, &request).bytes_max
        };
        assert_eq!(bytes_max("POST", "/v1/plugins"), 100);
        assert_eq!(bytes_max("POST", "/v1/devices"), 10);
        assert_eq!(bytes_max("PATCH", "/v1/plugins/pacing/offer"), 10);
    }

    #[test]
    fn a_longer_body_has_more_time() {
        let limits = BodyLimits { bytes_max: 10_000, grace: Duration::from_secs(3), bytes_per_second_min: 500 };
        assert_eq!(limits.time_for(0), Some(Duration::from_secs(3)));
        assert_eq!(limits.time_for(1_000), Some(Duration::from_secs(5)));
        assert_eq!(BodyLimits { bytes_per_second_min: 0, ..limits }.time_for(0), None);
    }
}
