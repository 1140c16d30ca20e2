//! Sends that wait for what becomes of their message (`Prefer: wait`).

use std::time::{Duration, Instant};

use portico_core::device::{Signal, StateReason, session};
use portico_harness::{Client, Kind, PairedDevice, TestGateway, wait_until};
use reqwest::{Method, RequestBuilder};
use serde_json::json;

on_both! {
    a_send_that_waits_is_answered_with_the_outcome
    a_send_that_waits_in_vain_is_answered_as_queued
    sends_that_wait_hold_nothing_up
}

fn send(api: &Client, device: &PairedDevice, to: &str, prefer: &str) -> RequestBuilder {
    let body = json!({ "to": to, "content": { "type": "text", "text": "hello" } });
    api.request(Method::POST, &format!("/v1/devices/{}/messages", device.id)).header("Prefer", prefer).json(&body)
}

async fn a_send_that_waits_is_answered_with_the_outcome(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let customer = gw.phone();
    let sent = Client::send(send(&gw.api, &device, customer.number(), "wait=10")).await.expect(200);
    assert!(["sent", "delivered", "read"].contains(&sent.str("/status").as_str()), "{}", sent.text);
    assert!(sent.json["times"]["sent"].is_string(), "{}", sent.text);
    assert_eq!(sent.headers.get("preference-applied").map(String::as_str), Some("wait=10"));
    assert_eq!(customer.next_text().await.expect("it arrives"), "hello");
    let plain = Client::send(send(&gw.api, &device, customer.number(), "respond-async")).await.expect(202);
    assert_eq!(plain.headers.get("preference-applied"), None);

    // The first answer under a key and its repetition tell the same.
    let keyed = || send(&gw.api, &device, customer.number(), "wait=10").header("Idempotency-Key", "k1");
    let first = Client::send(keyed()).await.expect(200);
    let again = Client::send(keyed()).await.expect(200);
    assert_eq!(first.str("/id"), again.str("/id"));
    assert_eq!(again.headers.get("idempotent-replay").map(String::as_str), Some("true"));
}

async fn a_send_that_waits_in_vain_is_answered_as_queued(kind: Kind) {
    let gw = TestGateway::start_with(kind, |c| c.server.http.send_wait_max = Duration::from_secs(1)).await;
    let device = gw.paired("sales").await;
    let customer = gw.phone();
    hold_back(&gw, &device).await;
    let begin = Instant::now();
    let queued = Client::send(send(&gw.api, &device, customer.number(), "wait=30")).await;
    let_go(&gw, &device).await;
    let queued = queued.expect(202);
    assert_eq!(queued.str("/status"), "queued");
    assert_eq!(queued.headers.get("preference-applied").map(String::as_str), Some("wait=1"));
    assert!(begin.elapsed() >= Duration::from_secs(1));
}

/// From now on the device's messages stay queued: the gateway takes its session for lost.
pub(crate) async fn hold_back(gw: &TestGateway, device: &PairedDevice) {
    signal(gw, device, Signal::ConnectionLost(StateReason::new("test", "on purpose"))).await;
    gw.wait_for_state(&device.id, "reconnecting").await;
}

/// They go again.
pub(crate) async fn let_go(gw: &TestGateway, device: &PairedDevice) {
    signal(gw, device, Signal::LoggedIn).await;
}

async fn signal(gw: &TestGateway, device: &PairedDevice, signal: Signal) {
    let id = device.id.parse().expect("an id");
    session::signal(&gw.running().services().ports, &id, signal, None).await.expect("it is recorded");
}

async fn sends_that_wait_hold_nothing_up(kind: Kind) {
    let change = |c: &mut portico_harness::Config| {
        c.server.http.concurrent_requests = 4;
        c.server.http.concurrent_per_tenant = 4;
        c.server.http.waiting_sends_per_tenant = 20;
    };
    let gw = TestGateway::start_with(kind, change).await;
    let device = gw.paired("sales").await;
    let customer = gw.phone();
    hold_back(&gw, &device).await;
    let mut waiting = Vec::new();
    for _ in 0..20 {
        waiting.push(tokio::spawn(Client::send(send(&gw.api, &device, customer.number(), "wait=20"))));
        let count = waiting.len();
        wait_until("it is queued", || async {
            let list = gw.api.get(&format!("/v1/devices/{}/messages?status=queued", device.id)).await.expect(200);
            (list.json["items"].as_array().map(Vec::len) == Some(count)).then_some(())
        })
        .await;
    }
    // Five times as many wait as may run, and requests run.
    gw.api.get("/v1/devices").await.expect(200);
    let one_more = Client::send(send(&gw.api, &device, customer.number(), "wait=20")).await.expect(202);
    assert_eq!(one_more.headers.get("preference-applied"), None, "no more may wait");
    let_go(&gw, &device).await;
    for send in waiting {
        assert_eq!(send.await.expect("an answer").expect(200).json["id"].as_str().map(|id| &id[..4]), Some("msg_"));
    }
}
