//! Who is refused before a body is read, and what bodies may hold.

use std::convert::Infallible;
use std::task::Poll;

use axum::body::Bytes;
use axum::response::IntoResponse;
use futures_util::stream::{self, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::credentials::Principal;
use crate::{ServeLimits, concurrency, serve};

/// A body that begins with `text` and never ends; tells when more of it is asked for than that.
pub(super) fn endless(text: &'static str) -> (Body, UnboundedReceiver<()>) {
    let (asked, was_asked) = unbounded_channel();
    let rest = stream::poll_fn(move |_| {
        let _ = asked.send(());
        Poll::<Option<Result<Bytes, Infallible>>>::Pending
    });
    (Body::from_stream(stream::iter([Ok(Bytes::from(text))]).chain(rest)), was_asked)
}

#[tokio::test]
async fn who_is_refused_is_refused_before_the_body_is_read() {
    let none_left = Some(Rate { per_minute: 1, burst: 1 });
    for (method, path, key, earlier, status) in [
        ("POST", "/v1/devices", None, 0, 401),
        ("POST", "/v1/devices", None, 1, 429),
        ("POST", "/v1/media", None, 0, 401),
        ("POST", "/v1/media", Some("portico_x"), 0, 503),
        ("POST", "/v1/keys", None, 1, 429),
        ("POST", "/echo/say", None, 1, 429),
        // The database is down, so the key can't be looked up.
        ("POST", "/v1/devices", Some("portico_x"), 0, 503),
        ("POST", "/v1/keys", Some("portico_x"), 0, 503),
        ("POST", "/echo/say", Some("portico_x"), 0, 503),
        ("PUT", "/v1/devices", None, 0, 405),
        ("POST", "/nothing/here", None, 0, 404),
    ] {
        let router = api_with(HttpConfig { rate_anonymous: none_left, ..HttpConfig::default() }).router();
        for _ in 0..earlier {
            let request = Request::get("/v1/devices").body(Body::empty()).unwrap();
            router.clone().oneshot(request).await.unwrap();
        }
        let (body, mut was_asked) = endless("");
        let mut request = Request::builder().method(method).uri(path);
        if let Some(key) = key {
            request = request.header("x-api-key", key).header("x-echo-key", key);
        }
        let response = router.oneshot(request.body(body).unwrap()).await.unwrap();
        assert_eq!(response.status(), status, "{method} {path} {key:?}");
        assert!(was_asked.try_recv().is_err(), "{method} {path} {key:?}");
    }
}

#[tokio::test]
async fn a_stranger_gets_an_answer_while_the_body_is_still_to_come() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = api_with(HttpConfig::default()).router();
    let server = tokio::spawn(serve(listener, router, ServeLimits::default(), std::future::pending()));
    let mut client = TcpStream::connect(address).await.unwrap();
    let head =
        "POST /v1/devices HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n{";
    client.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // To the end: the connection is of no more use.
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("\"unauthenticated\""), "{answer}");
    server.abort();
}

#[tokio::test]
async fn strangers_of_a_dialect_share_what_their_bodies_may_hold() {
    // Raised to what one body may hold.
    let config = HttpConfig { body_bytes_max: 16, anonymous_bodies_bytes: 1, ..HttpConfig::default() };
    let router = api_with(config).router();
    let (body, mut was_asked) = endless("0123456789");
    let first = router.clone().oneshot(Request::post("/echo/say").body(body).unwrap());
    let first = tokio::spawn(first);
    was_asked.recv().await.unwrap();
    let send = async |body: &'static str| {
        let request = Request::post("/echo/say").body(Body::from(body)).unwrap();
        router.clone().oneshot(request).await.unwrap()
    };
    assert_eq!(problem_of(send("0123456789").await).await["code"], "overloaded");
    assert_eq!(send("012345").await.status(), 200, "what fits is served");
    first.abort();
    assert!(first.await.is_err());
    assert_eq!(send("0123456789abcdef").await.status(), 200);
}

#[tokio::test]
async fn a_tenant_has_only_so_many_requests_under_way() {
    let api = api_with(HttpConfig { concurrent_per_tenant: 1, ..HttpConfig::default() });
    let send = |body: Body| {
        let app = api.app.clone();
        let mut request = Request::post("/v1/devices").body(body).unwrap();
        request.extensions_mut().insert(Principal::vouched(caller()));
        async move { concurrency::run(&app, request, async |_| StatusCode::CREATED.into_response()).await }
    };
    let (body, mut was_asked) = endless("");
    let slow = tokio::spawn(send(body));
    was_asked.recv().await.unwrap();
    assert_eq!(send(Body::empty()).await.status(), StatusCode::TOO_MANY_REQUESTS);
    slow.abort();
    assert!(slow.await.is_err());
    assert_eq!(send(Body::empty()).await.status(), StatusCode::CREATED);
}
