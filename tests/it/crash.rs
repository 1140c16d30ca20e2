//! `kill -9` while messages flow both ways: nothing acknowledged is lost, nothing reaches a phone twice.
//!
//! The sandbox network runs in a process of its own, so that phones and their counts survive the gateway.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use portico_harness::{Client, Database, Kind, Process, Receiver, wait_until};
use reqwest::Method;
use serde_json::{Value, json};

use crate::start::{free_address, ready, serve};

/// Messages each way.
const COUNT: usize = 200;
pub(crate) const ADMIN: &str = "b7e1c09d53f2486a9c1e5d7048fa2260";

/// The number of the phone that the device is linked to.
pub(crate) const OWN: &str = "15550100001";
/// The number it writes with.
pub(crate) const CUSTOMER: &str = "15550100002";

/// When the gateway is killed, by how many texts had reached the customer's phone.
const KILL_POINTS: [usize; 6] = [5, 40, 75, 110, 145, 180];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_arrives_twice_on_sqlite() {
    nothing_is_lost_and_nothing_arrives_twice(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_arrives_twice_on_postgres() {
    nothing_is_lost_and_nothing_arrives_twice(Kind::Postgres).await;
}

async fn nothing_is_lost_and_nothing_arrives_twice(kind: Kind) {
    let folder = tempfile::tempdir().expect("a folder");
    let database = Database::create(kind, folder.path()).await;
    let (network, admin) = (free_address(), free_address());
    let args = ["sandbox", "--network-bind", &network, "--bind", &admin];
    let _sandbox = Process::start(&Process::sandbox_build(), &args, &[]);
    let phones = Client::new(format!("http://{admin}"), None);
    wait_until("the sandbox", || async {
        let answer = Client::try_send(phones.request(Method::GET, "/health")).await;
        answer.is_ok_and(|a| a.status == 200).then_some(())
    })
    .await;

    let bind = free_address();
    let env = [("PORTICO_ADMIN_TOKEN", ADMIN), ("PORTICO_LIMITS", "off"), ("PORTICO_TUNING__PRE_KEYS", "30")];
    let more = ["--sandbox-network", network.as_str(), "--database", database.url()];
    let mut gateway = serve(folder.path(), &bind, &more, &env);
    let api = ready(&bind, Some(ADMIN)).await;
    let hook = Receiver::start().await;
    let device = set_up(&api, &phones, &hook).await;

    // Incoming: the phone sends whatever happens to the gateway.
    let burst = json!({ "to": OWN, "text": "in", "count": COUNT, "rate": 60 });
    let incoming = tokio::spawn({
        let phones = phones.clone();
        async move { phones.post(&format!("/phones/{CUSTOMER}/messages"), burst).await }
    });
    // Outgoing: the client repeats what was not answered, with the same key, as clients should.
    let outgoing = tokio::spawn(send_all(api.clone(), device.clone()));

    for point in KILL_POINTS {
        wait_until(&format!("{point} texts at the phone"), || async {
            (inbox(&phones).await.len() >= point).then_some(())
        })
        .await;
        gateway.kill_9();
        gateway = serve(folder.path(), &bind, &more, &env);
        ready(&bind, Some(ADMIN)).await;
    }
    incoming.await.expect("the burst").expect(200);
    let accepted = outgoing.await.expect("the sends");

    check_outgoing(&phones, &accepted).await;
    check_incoming(&api, &phones, &hook, &device).await;
    assert_eq!(gateway.terminate(Duration::from_secs(30)), Some(0));
}

/// Links a device to a phone, with a webhook for what it receives; gives the device.
pub(crate) async fn set_up(api: &Client, phones: &Client, hook: &Receiver) -> String {
    let device = api.post("/v1/devices", json!({ "name": "sales" })).await.expect(201).str("/id");
    let webhook = json!({ "device": device, "url": hook.url(), "events": ["message.received"] });
    api.post("/v1/webhooks", webhook).await.expect(201);
    phones.post("/phones", json!({ "number": OWN })).await.expect(201);
    phones.post("/phones", json!({ "number": CUSTOMER })).await.expect(201);
    api.act(&format!("/v1/devices/{device}/connect")).await.expect(202);
    let qr = wait_until("a code", || async {
        let answer = api.get(&format!("/v1/devices/{device}/qr?format=json")).await;
        (answer.status == 200).then(|| answer.str("/text"))
    })
    .await;
    let scan = phones.request(Method::POST, &format!("/admin/mock-phone/scan-qr?phone={OWN}")).body(qr);
    Client::send(scan).await.expect(200);
    wait_until("connected", || async {
        (api.get(&format!("/v1/devices/{device}")).await.json["state"] == "connected").then_some(())
    })
    .await;
    device
}

/// Sends every text until it is answered with 202; gives the texts by WhatsApp id.
async fn send_all(api: Client, device: String) -> BTreeMap<String, String> {
    let path = format!("/v1/devices/{device}/messages");
    let mut accepted = BTreeMap::new();
    for n in 1..=COUNT {
        let text = format!("out #{n}");
        let body = json!({ "to": CUSTOMER, "content": { "type": "text", "text": text } });
        let id = wait_until("a text to be taken", || async {
            let request = api.request(Method::POST, &path).header("Idempotency-Key", format!("out-{n}")).json(&body);
            let answer = Client::try_send(request).await.ok()?;
            // Not connected yet, restarting, …: again. Anything wrong with the request itself would be a 400.
            assert_ne!(answer.status, 400, "{}", answer.text);
            (answer.status == 202).then(|| answer.str("/whatsapp_id"))
        })
        .await;
        accepted.insert(id, text);
    }
    accepted
}

async fn inbox(phones: &Client) -> Vec<Value> {
    let answer = phones.get(&format!("/phones/{CUSTOMER}/inbox?limit=1000")).await.expect(200);
    answer.json.as_array().cloned().unwrap_or_default()
}

async fn check_outgoing(phones: &Client, accepted: &BTreeMap<String, String>) {
    let texts = wait_until("every accepted text at the phone", || async {
        let texts: Vec<_> = inbox(phones).await.iter().map(|m| m["text"].as_str().unwrap_or("").to_owned()).collect();
        let seen: BTreeSet<_> = texts.iter().cloned().collect();
        accepted.values().all(|t| seen.contains(t)).then_some(texts)
    })
    .await;
    let distinct: BTreeSet<_> = texts.iter().collect();
    assert_eq!((texts.len(), distinct.len()), (COUNT, COUNT), "a text reached the phone twice, or a stranger did");
}

async fn check_incoming(api: &Client, phones: &Client, hook: &Receiver, device: &str) {
    let expected: BTreeSet<String> = (1..=COUNT).map(|n| format!("in #{n}")).collect();
    wait_until("every incoming text at the receiver", || async {
        let seen: BTreeSet<_> = hook.all().iter().filter_map(|d| text_of(&d.json()["data"])).collect();
        expected.is_subset(&seen).then_some(())
    })
    .await;
    let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut first_arrivals = Vec::new();
    for delivery in hook.all() {
        let text = text_of(&delivery.json()["data"]).unwrap_or_default();
        if !ids.contains_key(&text) {
            first_arrivals.push(text.clone());
        }
        ids.entry(text).or_default().insert(delivery.header("webhook-id").to_owned());
    }
    assert!(ids.values().all(|ids| ids.len() == 1), "a repetition under another id: {ids:?}");
    let sent = phones.get(&format!("/phones/{CUSTOMER}/sent")).await.expect(200).json;
    let sent = sent.as_array().cloned().unwrap_or_default();
    // What the phone had to encrypt again, because a key went with the process, may come late.
    let is_resent = |text: &str| sent.iter().any(|m| m["text"] == text && m["retries"] != 0);
    let in_order = (1..=COUNT).map(|n| format!("in #{n}")).filter(|text| !is_resent(text));
    first_arrivals.retain(|text| !is_resent(text));
    assert_eq!(first_arrivals, in_order.collect::<Vec<_>>(), "one chat arrives in its order");
    assert_eq!(stored(api, device).await, expected, "in the store, each once");
    let confirmed = |m: &&Value| m["delivered_ms"].is_u64() || m["inactive_ms"].is_u64();
    assert_eq!(sent.iter().filter(confirmed).count(), COUNT, "all were confirmed");
}

async fn stored(api: &Client, device: &str) -> BTreeSet<String> {
    let mut texts = BTreeSet::new();
    let mut count = 0;
    let mut path = format!("/v1/devices/{device}/messages?direction=in&limit=200");
    loop {
        let page = api.get(&path).await.expect(200).json;
        let items = page["items"].as_array().cloned().unwrap_or_default();
        count += items.len();
        texts.extend(items.iter().filter_map(text_of));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/devices/{device}/messages?direction=in&limit=200&cursor={next}");
    }
    assert_eq!(count, texts.len(), "a message is stored twice");
    texts
}

/// The text of a message, if it has one.
pub(crate) fn text_of(message: &Value) -> Option<String> {
    message["content"]["text"].as_str().map(str::to_owned)
}
