//! Plugins per tenant and per device: installed while the gateway runs, switched, set, swapped, rolled back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use portico_harness::{Answer, Client, Kind, Process, Receiver, TestGateway, wait_until};
use reqwest::Method;
use serde_json::{Value, json};

on_both! {
    two_devices_of_a_tenant_pace_differently
    off_for_one_tenant_is_on_for_the_next
    settings_are_checked_and_secrets_are_never_shown
    a_version_is_installed_swapped_rolled_back_and_survives_a_restart
    deliveries_of_an_api_wait_for_its_format
    nothing_is_lost_while_plugins_are_swapped_set_and_switched
}

/// A built-in plugin's component.
pub(crate) fn component(id: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins").join(format!("{id}.wasm"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}; run `make plugins`", path.display()))
}

/// The default format with another name for `timestamp`: a version that shapes bodies differently. Both names are equally long,
/// so that no length in the file becomes wrong; the names of types (`timestamp-ms`) stay.
fn other_format() -> Vec<u8> {
    let (from, to) = (b"timestamp", b"timestomp");
    let mut bytes = component("webhook-format");
    let is_place = |at: &usize| bytes[*at..].starts_with(from) && bytes.get(at + from.len()) != Some(&b'-');
    let places: Vec<usize> = (0..bytes.len() - from.len()).filter(is_place).collect();
    assert!(!places.is_empty(), "the name is not there");
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    bytes
}

pub(crate) async fn install(api: &Client, bytes: Vec<u8>) -> Answer {
    let request = api.request(Method::POST, "/v1/plugins").header("content-type", "application/wasm");
    Client::send(request.body(bytes)).await
}

/// A key of a tenant of its own.
async fn other_tenant(gw: &TestGateway) -> Client {
    let made = gw.api.with_key(None).post("/v1/keys", json!({ "name": "other" })).await.expect(201);
    gw.api.with_key(Some(&made.str("/key")))
}

async fn two_devices_of_a_tenant_pace_differently(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let (slow, fast) = (gw.paired("slow").await, gw.paired("fast").await);
    let settings = json!({ "state": "on", "settings": { "messages_per_minute": 30 } });
    gw.api.put(&format!("/v1/devices/{}/plugins/pacing", slow.id), settings).await.expect(200);
    let effective = gw.api.get(&format!("/v1/devices/{}/plugins/pacing/effective", slow.id)).await.expect(200).json;
    assert_eq!(
        (&effective["decided_by"], &effective["settings"]["messages_per_minute"]),
        (&json!("device"), &json!(30))
    );
    let other = gw.api.get(&format!("/v1/devices/{}/plugins/pacing/effective", fast.id)).await.expect(200).json;
    assert_eq!((&other["decided_by"], &other["settings"]["messages_per_minute"]), (&json!("offer"), &json!(0)));

    let customer = gw.phone();
    let (slow_hook, ..) = gw.webhook(&slow.id, &["message.sent"]).await;
    let (fast_hook, ..) = gw.webhook(&fast.id, &["message.sent"]).await;
    for n in 0..3 {
        gw.send_text(&slow.id, customer.number(), &format!("slow {n}")).await;
        gw.send_text(&fast.id, customer.number(), &format!("fast {n}")).await;
    }
    let span = async |hook: &Receiver| {
        let all = hook.at_least(3).await;
        all[2].at_ms - all[0].at_ms
    };
    let (slow_span, fast_span) = (span(&slow_hook).await, span(&fast_hook).await);
    assert!(slow_span >= 3_500.0, "30 a minute is one in two seconds: {slow_span} ms");
    assert!(fast_span < slow_span / 2.0, "{fast_span} ms against {slow_span} ms");
}

async fn off_for_one_tenant_is_on_for_the_next(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let other = other_tenant(&gw).await;
    gw.api.put("/v1/plugins/webhook-format/enablement", json!({ "state": "off" })).await.expect(200);
    let state = async |api: &Client| api.get("/v1/plugins/webhook-format").await.expect(200).str("/state");
    assert_eq!((state(&gw.api).await.as_str(), state(&other).await.as_str()), ("off", "on"));

    let shaped = async |api: &Client| {
        let receiver = Receiver::start().await;
        let body = json!({ "url": receiver.url(), "events": ["*"] });
        let id = api.post("/v1/webhooks", body).await.expect(201).str("/id");
        api.act(&format!("/v1/webhooks/{id}/test")).await.expect(202);
        receiver.at_least(1).await[0].header("x-portico-format").to_owned()
    };
    assert_eq!(shaped(&gw.api).await, "default", "the plugin is off: the gateway's own body");
    assert_eq!(shaped(&other).await, "");
    gw.api.delete("/v1/plugins/webhook-format/enablement").await.expect(204);
    assert_eq!(shaped(&gw.api).await, "");

    let offer = json!({ "tenants": [] });
    gw.api.patch("/v1/plugins/webhook-format/offer", offer.clone()).await.expect(200);
    other.get("/v1/plugins/webhook-format").await.expect(404);
    other.patch("/v1/plugins/webhook-format/offer", offer).await.expect(403);
    install(&other, component("webhook-format")).await.expect(403);
}

async fn settings_are_checked_and_secrets_are_never_shown(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let path = "/v1/plugins/pacing/enablement";
    gw.api.get(path).await.expect(404);
    for settings in
        [json!({ "messages_per_minute": -1 }), json!({ "messages_per_hour": 1 }), json!({ "pause_min_ms": "x" })]
    {
        let refused = gw.api.put(path, json!({ "state": "on", "settings": settings })).await.expect(400);
        assert_eq!(refused.str("/field"), "settings", "{}", refused.text);
    }
    gw.api.get(path).await.expect(404);
    let made =
        gw.api.put(path, json!({ "state": "on", "settings": { "pause_min_ms": 5 }, "revision": 0 })).await.expect(200);
    assert_eq!(made.json["revision"], 1);
    let late = gw.api.patch(path, json!({ "state": "off", "revision": 0 })).await.expect(409);
    assert_eq!(late.str("/code"), "revision_conflict");
    let patch = json!({ "settings": { "pause_max_ms": 9, "pause_min_ms": null }, "revision": 1 });
    let changed = gw.api.patch(path, patch).await.expect(200).json;
    assert_eq!(changed["settings"], json!({ "pause_max_ms": 9 }));
    let effective = gw.api.get("/v1/plugins/pacing/effective").await.expect(200).json;
    assert_eq!(
        (&effective["settings"]["pause_min_ms"], &effective["settings"]["pause_max_ms"]),
        (&json!(0), &json!(9))
    );

    let device = gw.api.post("/v1/devices", json!({ "name": "sales" })).await.expect(201).str("/id");
    let of_device = format!("/v1/devices/{device}/plugins/pacing");
    gw.api.put(&of_device, json!({ "state": "on", "settings": { "pause_max_ms": null } })).await.expect(200);
    let list = gw.api.get(&format!("/v1/devices/{device}/plugins")).await.expect(200).json;
    let pacing = list["items"].as_array().expect("a list").iter().find(|p| p["plugin"] == "pacing").expect("pacing");
    assert_eq!(pacing["settings"]["pause_max_ms"], 0);
    let stranger = other_tenant(&gw).await;
    stranger.get(&of_device).await.expect(404);
    stranger.put(&of_device, json!({ "state": "off" })).await.expect(404);
    gw.api.put("/v1/plugins/nothing/enablement", json!({ "state": "on" })).await.expect(404);
}

async fn a_version_is_installed_swapped_rolled_back_and_survives_a_restart(kind: Kind) {
    let mut gw = TestGateway::start(kind).await;
    let digest = async |gw: &TestGateway| gw.api.get("/v1/plugins/webhook-format").await.expect(200).str("/digest");
    let first = digest(&gw).await;
    let refused = install(&gw.api, b"#!/bin/sh".to_vec()).await.expect(400);
    assert!(refused.text.contains("WebAssembly"), "{}", refused.text);
    gw.api.post("/v1/plugins", json!({})).await.expect(415);
    let installed = install(&gw.api, other_format()).await.expect(201);
    let second = installed.str("/digest");
    assert_eq!((installed.str("/previous_digest"), digest(&gw).await), (first.clone(), second.clone()));
    let again = install(&gw.api, other_format()).await.expect(201);
    assert_eq!(again.json["revision"], installed.json["revision"], "the same bytes change nothing");

    gw.restart().await;
    assert_eq!(digest(&gw).await, second, "what was uploaded stays current");
    let back = gw.api.act("/v1/plugins/webhook-format/rollback").await.expect(200);
    assert_eq!((back.str("/digest"), back.str("/previous_digest")), (first.clone(), second.clone()));
    let versions = gw.api.get("/v1/plugins/webhook-format/versions").await.expect(200).json;
    let origins: BTreeMap<_, _> = versions["items"]
        .as_array()
        .expect("versions")
        .iter()
        .map(|v| (v["digest"].as_str().unwrap_or_default().to_owned(), v["origin"].clone()))
        .collect();
    assert_eq!(origins, BTreeMap::from([(first.clone(), json!("built-in")), (second.clone(), json!("uploaded"))]));
    gw.restart().await;
    assert_eq!(digest(&gw).await, first, "and so does what was rolled back to");
    gw.api.patch("/v1/plugins/webhook-format/offer", json!({ "digest": second })).await.expect(200);
    assert_eq!(digest(&gw).await, second);
    gw.api.patch("/v1/plugins/webhook-format/offer", json!({ "digest": "0000" })).await.expect(400);
    assert_eq!(gw.api.delete("/v1/plugins/webhook-format").await.expect(409).str("/code"), "plugin_in_use");
}

/// Messages in each direction while everything about plugins changes.
const MESSAGES: usize = 500;

async fn nothing_is_lost_while_plugins_are_swapped_set_and_switched(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let customer = gw.phone();
    // A chat waits for its delivery that failed; the others go on.
    let senders: Vec<_> = (0..12).map(|_| gw.phone()).collect();
    let (hook, ..) = gw.webhook(&device.id, &["message.received"]).await;
    hook.answer_next(&[204, 503].repeat(6));
    install(&gw.api, other_format()).await.expect(201);

    let sending = async {
        for n in 0..MESSAGES {
            gw.send_text(&device.id, customer.number(), &format!("out {n}")).await;
        }
    };
    let receiving = async {
        for n in 0..MESSAGES {
            let sender = &senders[n % senders.len()];
            sender.send_text(device.phone.number(), &format!("in {n}")).await.expect("sent");
        }
    };
    let changing = async {
        let of_device = format!("/v1/devices/{}/plugins/webhook-format", device.id);
        for n in 0..20 {
            gw.api.act("/v1/plugins/webhook-format/rollback").await.expect(200);
            let settings = json!({ "settings": { "pause_max_ms": n % 3 } });
            gw.api.patch("/v1/plugins/pacing/enablement", settings).await.expect(200);
            let state = if n % 2 == 0 { "off" } else { "on" };
            gw.api.patch(&of_device, json!({ "state": state })).await.expect(200);
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        }
    };
    tokio::join!(sending, receiving, changing);

    let mut arrived = BTreeSet::new();
    for _ in 0..MESSAGES {
        arrived.insert(customer.next_text().await.expect("a text"));
    }
    assert_eq!((arrived.len(), customer.duplicates()), (MESSAGES, 0));
    let accepted = || {
        let taken = hook.all().into_iter().filter(|d| d.answered == 204);
        taken.map(|d| d.header("webhook-id").to_owned()).collect::<BTreeSet<_>>()
    };
    wait_until("every event to be accepted", || async { (accepted().len() == MESSAGES).then_some(()) }).await;

    let mut bodies: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let (mut shapes, mut retried) = (BTreeSet::new(), 0);
    for delivered in hook.all() {
        let name = if delivered.json().get("timestomp").is_some() { "timestomp" } else { "timestamp" };
        shapes.insert((name, delivered.header("x-portico-format").to_owned()));
        let id = delivered.header("webhook-id").to_owned();
        if let Some(before) = bodies.insert(id.clone(), delivered.body.clone()) {
            retried += 1;
            assert!(before == delivered.body, "{id} was shaped in two ways");
        }
    }
    assert!(retried > 0 && shapes.len() > 1, "{retried} retries, shapes {shapes:?}");
}

/// What `portico plugin …` says to a running gateway, and whether it is content.
fn plugin(gw: &TestGateway, args: &[&str]) -> (bool, String) {
    let env = [("PORTICO_GATEWAY", gw.api.base()), ("PORTICO_KEY", gw.key.as_str())];
    let mut process = Process::start(&Process::sandbox_build(), &[&["plugin"], args].concat(), &env);
    (process.wait(std::time::Duration::from_secs(60)) == Some(0), process.output())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_does_the_same() {
    let gw = TestGateway::start(Kind::Sqlite).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("other.wasm");
    std::fs::write(&file, other_format()).expect("a file");
    let ok = |args: &[&str]| {
        let (content, said) = tokio::task::block_in_place(|| plugin(&gw, args));
        assert!(content, "{args:?}: {said}");
        said
    };
    assert!(ok(&["install", file.to_str().expect("a path")]).contains("webhook-format is installed"));
    assert!(ok(&["rollback", "webhook-format"]).contains("is back at"));
    ok(&["disable", "pacing"]);
    assert!(ok(&["list", "--running"]).contains("pacing 0.1.0 (off)"));
    ok(&["enable", "pacing"]);
    assert!(ok(&["settings", "pacing", r#"{"pause_min_ms": 3}"#]).contains("\"pause_min_ms\": 3"));
    let device = gw.api.post("/v1/devices", json!({ "name": "sales" })).await.expect(201).str("/id");
    ok(&["disable", "pacing", "--device", &device]);
    let effective = gw.api.get(&format!("/v1/devices/{device}/plugins/pacing/effective")).await.expect(200).json;
    assert_eq!((&effective["state"], &effective["settings"]["pause_min_ms"]), (&json!("off"), &json!(3)));
    let (content, said) =
        tokio::task::block_in_place(|| plugin(&gw, &["settings", "pacing", r#"{"pause_min_ms": -3}"#]));
    assert!(!content && said.contains("pause_min_ms"), "{said}");
    let _: Value = effective;
}

async fn deliveries_of_an_api_wait_for_its_format(kind: Kind) {
    let soon = std::time::Duration::from_secs(1);
    let gw = TestGateway::start_with(kind, |config| config.jobs.deliver.format_retry = soon).await;
    let receivers = [Receiver::start().await, Receiver::start().await];
    let mut webhooks = Vec::new();
    for (receiver, format) in receivers.iter().zip(["dialect-accounts", "webhook-format"]) {
        let body = json!({ "url": receiver.url(), "events": ["*"], "format": format });
        webhooks.push(gw.api.post("/v1/webhooks", body).await.expect(201).str("/id"));
        gw.api.put(&format!("/v1/plugins/{format}/enablement"), json!({ "state": "off" })).await.expect(200);
    }
    for webhook in &webhooks {
        gw.api.act(&format!("/v1/webhooks/{webhook}/test")).await.expect(202);
    }
    // A format of its own is replaced by the gateway's; that of an API is not.
    assert_eq!(receivers[1].at_least(1).await[0].header("x-portico-format"), "default");
    let waiting = gw.api.get(&format!("/v1/webhooks/{}/deliveries", webhooks[0])).await.expect(200);
    assert_eq!((waiting.str("/items/0/state").as_str(), receivers[0].all().len()), ("pending", 0));

    gw.api.put("/v1/plugins/dialect-accounts/enablement", json!({ "state": "on" })).await.expect(200);
    let delivered = receivers[0].at_least(1).await.remove(0);
    assert_eq!((delivered.json()["event"].as_str(), delivered.header("x-portico-format")), (Some("webhook.test"), ""));
    let state = async || gw.api.get(&format!("/v1/webhooks/{}/deliveries", webhooks[0])).await.str("/items/0/state");
    wait_until("it to be recorded", || async { (state().await == "delivered").then_some(()) }).await;
    let shown = gw.api.get(&format!("/v1/webhooks/{}", webhooks[0])).await.expect(200);
    assert_eq!(shown.json["failing_since"], Value::Null, "the receiver is not to blame");
}
