//! Keys and bodies: scopes are checked before a body is read, the key again after it, and a key with many half-sent bodies
//! keeps nobody from revoking it.

use std::time::Duration;

use portico_core::access::Scope;
use tokio::task::JoinHandle;

use super::bodies::endless;
use super::fakes::{api_with_keys, key};
use super::*;

const READER: &str = "portico_reader";
const ADMIN: &str = "portico_admin";

fn request(method: &str, path: &str, key: &str, body: Body) -> Request<Body> {
    Request::builder().method(method).uri(path).header("x-api-key", key).header("x-echo-key", key).body(body).unwrap()
}

#[tokio::test]
async fn a_key_without_the_scope_is_refused_before_the_body_is_read() {
    let (api, _) = api_with_keys(HttpConfig::default(), &[(READER, key(1, &[Scope::DevicesRead]))]);
    for (method, path) in [
        ("POST", "/v1/devices"),
        ("POST", "/v1/keys"),
        ("POST", "/v1/webhooks"),
        ("PATCH", "/v1/devices/dev_x"),
        ("POST", "/v1/devices/dev_x/messages"),
        ("POST", "/v1/devices/dev_x/pairing-code"),
        ("POST", "/v1/webhooks/wh_x/replay"),
    ] {
        let (body, mut was_asked) = endless("");
        let response = api.router().oneshot(request(method, path, READER, body)).await.unwrap();
        assert_eq!(response.status(), 403, "{method} {path}");
        assert_eq!(problem_of(response).await["code"], "forbidden");
        assert!(was_asked.try_recv().is_err(), "{method} {path}");
    }
}

#[tokio::test]
async fn a_key_that_is_revoked_while_the_body_comes_does_nothing() {
    let all = key(1, &Scope::ALL);
    for (path, status) in [("/v1/devices", 401), ("/echo/say", 200)] {
        let (api, store) = api_with_keys(HttpConfig::default(), &[(ADMIN, all.clone())]);
        let (sender, receiver) = tokio::sync::mpsc::channel::<Result<&[u8], std::convert::Infallible>>(1);
        let chunks =
            futures_util::stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
        let post = request("POST", path, ADMIN, Body::from_stream(chunks));
        let answer = tokio::spawn(api.router().oneshot(post));
        sender.send(Ok(b"{\"name\": ")).await.unwrap();
        // Longer than a key stays good without being looked at again.
        tokio::time::sleep(Duration::from_millis(150)).await;
        store.revoke(&all.id);
        sender.send(Ok(b"\"sales\"}")).await.unwrap();
        drop(sender);
        let response = answer.await.unwrap().unwrap();
        assert_eq!(response.status(), status, "{path}");
        if status == 200 {
            let seen: Value = serde_json::from_str(&body_of(response).await).unwrap();
            assert_eq!(seen["caller"], false, "the dialect serves a stranger");
        }
    }
}

/// Sends requests of the reader whose bodies never end, until the gateway takes no more; gives how many it took.
async fn half_sent(router: &axum::Router, up_to: usize) -> Vec<JoinHandle<Response>> {
    let mut open = Vec::new();
    for _ in 0..up_to {
        let (body, mut was_asked) = endless("{");
        let router = router.clone();
        let task =
            tokio::spawn(async move { router.oneshot(request("GET", "/v1/devices", READER, body)).await.unwrap() });
        match was_asked.recv().await {
            Some(()) => open.push(task),
            None => {
                assert_eq!(task.await.unwrap().status(), 429);
                break;
            }
        }
    }
    open
}

#[tokio::test]
async fn half_sent_bodies_of_a_key_keep_nobody_from_revoking_it() {
    let reader = key(1, &[Scope::DevicesRead]);
    let keys = [(READER, reader.clone()), (ADMIN, key(2, &[Scope::KeysWrite, Scope::DevicesRead]))];
    let config = HttpConfig { concurrent_per_tenant: 8, bodies_per_key: 8, ..HttpConfig::default() };
    let (api, _) = api_with_keys(config, &keys);
    let router = api.router();
    let open = half_sent(&router, 20).await;
    assert_eq!(open.len(), 8, "a key has only so many");
    let other = request("GET", "/v1/devices", ADMIN, Body::empty());
    assert_eq!(
        router.clone().oneshot(other).await.unwrap().status(),
        429,
        "the tenant has no more for common requests"
    );
    let revoke = request("DELETE", &format!("/v1/keys/{}", reader.id), ADMIN, Body::empty());
    // It gets as far as the database, which is down.
    assert_eq!(router.clone().oneshot(revoke).await.unwrap().status(), 503);
    open.iter().for_each(JoinHandle::abort);
}

#[tokio::test]
async fn half_sent_bodies_of_a_key_leave_room_for_the_tenants_other_keys() {
    let keys = [(READER, key(1, &[Scope::DevicesRead])), (ADMIN, key(2, &[Scope::DevicesRead]))];
    let (api, _) = api_with_keys(HttpConfig::default(), &keys);
    let router = api.router();
    let open = half_sent(&router, 300).await;
    assert_eq!(open.len(), 64);
    let other = request("GET", "/v1/devices", ADMIN, Body::empty());
    assert_eq!(
        router.clone().oneshot(other).await.unwrap().status(),
        503,
        "it gets as far as the database, which is down"
    );
    open.iter().for_each(JoinHandle::abort);
}
