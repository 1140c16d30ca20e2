//! Sending and listing messages; every way a send can be refused.

use portico_harness::{Client, Kind, TestGateway, wait_until};
use reqwest::Method;
use serde_json::{Value, json};

on_both! {
    a_message_is_followed_to_read
    the_same_idempotency_key_sends_once
    refusals_say_what_and_why_and_change_nothing
    lists_are_paged_newest_first
    long_texts_end_a_page_early
    what_happens_while_the_phone_is_offline
    a_message_is_forwarded_with_its_file
    only_a_message_that_failed_is_sent_again
}

fn text(to: &str, text: &str) -> Value {
    json!({ "to": to, "content": { "type": "text", "text": text } })
}

async fn a_message_is_followed_to_read(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let customer = gw.phone();
    let sent = gw.send_text(&device.id, customer.number(), "Hello").await;
    let path = format!("/v1/devices/{}/messages/{}", device.id, sent["id"].as_str().expect("an id"));

    let arrived = customer.next_message().await.expect("it arrives");
    wait_until("delivered", || async { (gw.api.get(&path).await.json["status"] == "delivered").then_some(()) }).await;
    customer.read(&device.phone.jid(), &[arrived.id]).expect("it is read");
    let read = wait_until("read", || async {
        let answer = gw.api.get(&path).await;
        (answer.json["status"] == "read").then_some(answer.json)
    })
    .await;
    for step in ["sent", "delivered", "read"] {
        assert!(read["times"][step].is_string(), "{step}: {read}");
    }
}

async fn the_same_idempotency_key_sends_once(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let customer = gw.phone();
    let path = format!("/v1/devices/{}/messages", device.id);
    let send = async |body: Value| {
        Client::send(gw.api.request(Method::POST, &path).header("Idempotency-Key", "order-17").json(&body)).await
    };
    let first = send(text(customer.number(), "once")).await.expect(202).json;
    let second = send(text(customer.number(), "once")).await.expect(202).json;
    assert_eq!(first["id"], second["id"]);
    let other = send(text(customer.number(), "something else")).await.expect(409);
    assert_eq!(other.json["code"], "idempotency_key_reused");

    gw.send_text(&device.id, customer.number(), "last").await;
    assert_eq!(customer.next_text().await.expect("a text"), "once");
    assert_eq!(customer.next_text().await.expect("a text"), "last");
    assert_eq!(customer.duplicates(), 0);
}

async fn refusals_say_what_and_why_and_change_nothing(kind: Kind) {
    let gw = TestGateway::start_with(kind, |c| c.server.http.body_bytes_max = 4096).await;
    let device = gw.paired("sales").await;
    let idle = gw.api.post("/v1/devices", json!({ "name": "idle" })).await.expect(201).str("/id");
    let path = format!("/v1/devices/{}/messages", device.id);
    let customer = gw.phone();

    let bad_number = gw.api.post(&path, text("12ab", "x")).await.expect(400);
    assert_eq!((bad_number.str("/code"), bad_number.str("/field")), ("invalid_request".into(), "to".into()));
    let absent = gw.api.post(&path, text("15550199999", "x")).await.expect(422);
    assert_eq!(absent.str("/code"), "not_on_whatsapp");
    let empty = gw.api.post(&path, text(customer.number(), " ")).await.expect(400);
    assert_eq!(empty.str("/field"), "content.text");
    let field = gw.api.post(&path, json!({ "to": customer.number(), "text": "x" })).await.expect(400);
    assert!(field.text.contains("text"), "{}", field.text);
    let kind_of = gw.api.post(&path, json!({ "to": customer.number(), "content": { "type": "template" } })).await;
    assert_eq!(kind_of.status, 501, "{}", kind_of.text);
    let unknown =
        gw.api.post(&path, json!({ "to": customer.number(), "content": { "type": "foo" } })).await.expect(400);
    assert_eq!(unknown.str("/field"), "content.type");
    gw.api.post(&path, text("120363000000000001@newsletter", "x")).await.expect(501);
    gw.api.post(&path, json!([customer.number(), { "type": "text", "text": "x" }])).await.expect(400);
    let large = gw.api.post(&path, text(customer.number(), &"x".repeat(8000))).await.expect(413);
    assert_eq!(large.str("/code"), "too_large");

    let nowhere = gw.api.post("/v1/devices/dev_00000000000000000000000000/messages", text("15550100002", "x")).await;
    assert_eq!(nowhere.expect(404).str("/code"), "device_not_found");
    let unready = gw.api.post(&format!("/v1/devices/{idle}/messages"), text("15550100002", "x")).await.expect(409);
    assert_eq!(unready.str("/code"), "device_not_ready");
    assert!(unready.str("/detail").contains("connect"), "{}", unready.text);

    let list = gw.api.get(&path).await.expect(200);
    assert_eq!(list.json["items"], json!([]));
}

async fn lists_are_paged_newest_first(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let customer = gw.phone();
    for n in 1..=5 {
        gw.send_text(&device.id, customer.number(), &format!("text {n}")).await;
    }
    let mut seen = Vec::new();
    let mut path = format!("/v1/devices/{}/messages?limit=2", device.id);
    loop {
        let page = gw.api.get(&path).await.expect(200).json;
        let items = page["items"].as_array().expect("items");
        seen.extend(items.iter().map(|m| m["content"]["text"].as_str().unwrap_or_default().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/devices/{}/messages?limit=2&cursor={next}", device.id);
    }
    assert_eq!(seen, ["text 5", "text 4", "text 3", "text 2", "text 1"]);
    for wrong in ["limit=0", "limit=-1", "cursor=garbage", "cursor=dev_00000000000000000000000000"] {
        gw.api.get(&format!("/v1/devices/{}/messages?{wrong}", device.id)).await.expect(400);
    }
}

async fn long_texts_end_a_page_early(kind: Kind) {
    const TEXTS: usize = 18;
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let customer = gw.phone();
    let long = "x".repeat(65_536);
    for _ in 0..TEXTS {
        gw.send_text(&device.id, customer.number(), &long).await;
    }
    let (mut ids, mut sizes, mut cursor) = (Vec::new(), Vec::new(), String::new());
    loop {
        let page = gw.api.get(&format!("/v1/devices/{}/messages?limit=200{cursor}", device.id)).await.expect(200);
        let items = page.json["items"].as_array().expect("items");
        sizes.push(items.len());
        ids.extend(items.iter().map(|m| m["id"].as_str().expect("an id").to_owned()));
        let Some(next) = page.json["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    // A page holds a mebibyte, and with what is around the sixteenth text it would be more.
    assert_eq!(sizes, [15, TEXTS - 15]);
    assert!(ids.is_sorted_by(|a, b| a > b), "newest first, none twice: {ids:?}");

    wait_until("all sent", || async {
        let list = gw.api.get(&format!("/v1/devices/{}/messages?status=queued", device.id)).await.expect(200);
        list.json["items"].as_array().is_some_and(Vec::is_empty).then_some(())
    })
    .await;
    let (mut seqs, mut pages, mut after) = (Vec::new(), 0, 0);
    loop {
        let page = gw.api.get(&format!("/v1/events?after={after}")).await.expect(200).json;
        let items = page["items"].as_array().expect("items").clone();
        if items.is_empty() {
            break;
        }
        assert!(items.len() <= 30, "{} events on one page", items.len());
        seqs.extend(items.iter().filter_map(|e| e["seq"].as_i64()));
        (pages, after) = (pages + 1, page["next"].as_i64().expect("a seq"));
    }
    assert!(pages >= 2 && seqs.len() > TEXTS, "{pages} pages of {} events", seqs.len());
    assert!(seqs.iter().copied().eq(1..=after), "without holes: {seqs:?}");
}

async fn what_happens_while_the_phone_is_offline(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let customer = gw.phone();
    customer.offline();
    let sent = gw.send_text(&device.id, customer.number(), "later").await;
    let path = format!("/v1/devices/{}/messages/{}", device.id, sent["id"].as_str().expect("an id"));
    wait_until("sent", || async { (gw.api.get(&path).await.json["status"] == "sent").then_some(()) }).await;
    customer.online();
    assert_eq!(customer.next_text().await.expect("it arrives"), "later");
    wait_until("delivered", || async { (gw.api.get(&path).await.json["status"] == "delivered").then_some(()) }).await;
}

async fn a_message_is_forwarded_with_its_file(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let (customer, other) = (gw.phone(), gw.phone());
    let path = format!("/v1/devices/{}/messages", device.id);
    let bytes = b"%PDF-1.4 a list of prices".to_vec();
    let file = portico_sandbox::Media {
        kind: portico_sandbox::MediaKind::Document,
        mime: "application/pdf".to_owned(),
        bytes: bytes.clone(),
        caption: Some("Prices".to_owned()),
        file_name: Some("prices.pdf".to_owned()),
    };
    customer.send_media(device.phone.number(), file).await.expect("sent");
    let message = wait_until("the file", || async {
        let list = gw.api.get(&format!("{path}?direction=in")).await.expect(200).json;
        list["items"].as_array()?.first().and_then(|m| m["id"].as_str().map(str::to_owned))
    })
    .await;
    let forward = format!("{path}/{message}/forward");
    let sent = gw.api.post(&forward, json!({ "to": other.number() })).await.expect(202).json;
    assert_eq!((&sent["forwarded"], &sent["content"]["caption"]), (&json!(1), &json!("Prices")));
    let arrived = wait_until("the forwarded file", || async {
        other.inbox(0, 500).into_iter().find(|entry| entry.kind == "document")
    })
    .await;
    assert!(arrived.forwarded, "{arrived:?}");
    assert_eq!(arrived.file_name.as_deref(), Some("prices.pdf"));
    assert_eq!(other.download(&arrived.id).await.expect("the file"), bytes);
    gw.api.post(&forward, json!({ "to": "12ab" })).await.expect(400);
    let nowhere = format!("{path}/msg_00000000000000000000000000/forward");
    gw.api.post(&nowhere, json!({ "to": other.number() })).await.expect(404);
}

async fn only_a_message_that_failed_is_sent_again(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let customer = gw.phone();
    let path = format!("/v1/devices/{}/messages", device.id);
    let sent = gw.send_text(&device.id, customer.number(), "Hello").await["id"].as_str().expect("an id").to_owned();
    assert_eq!(customer.next_text().await.expect("it arrives"), "Hello");
    let refused = gw.api.act(&format!("{path}/{sent}/resend")).await.expect(409);
    assert_eq!(refused.str("/code"), "message_not_changeable");
}
