//! Changes to messages: what phones see of ours, and what theirs make of our messages, in order and told as events.

use portico_harness::{Client, Kind, PairedDevice, TestGateway, wait_until};
use portico_sandbox::{InboxEntry, Phone};
use reqwest::Method;
use serde_json::{Value, json};

on_both! {
    a_reaction_reaches_the_phone_and_is_taken_back
    reactions_of_others_change_the_message
    a_change_to_a_message_nobody_knows_is_told
    an_edit_says_something_else_and_keeps_what_was_said
    edits_of_others_never_overtake_their_message
    a_message_is_deleted_for_everybody
    only_its_author_deletes_a_message_of_two
    a_message_is_pinned_and_taken_down
    changes_that_cant_be_made_change_nothing
}

fn path(device: &PairedDevice) -> String {
    format!("/v1/devices/{}/messages", device.id)
}

/// The entry of a kind in a phone's inbox, once it is there.
async fn seen(phone: &Phone, kind: &str, text: &str) -> InboxEntry {
    let found = |entry: &InboxEntry| entry.kind == kind && entry.text.as_deref() == Some(text);
    wait_until(&format!("the {kind} at the phone"), || async { phone.inbox(0, 500).into_iter().find(found) }).await
}

/// A text that the device sent and WhatsApp's server has, and the customer's phone that got it.
async fn sent(gw: &TestGateway, device: &PairedDevice) -> (String, InboxEntry, Phone) {
    let customer = gw.phone();
    let id = gw.send_text(&device.id, customer.number(), "Hello").await["id"].as_str().expect("an id").to_owned();
    let arrived = customer.next_message().await.expect("it arrives");
    (format!("{}/{id}", path(device)), arrived, customer)
}

/// A text that came to the device from the customer.
async fn received(gw: &TestGateway, device: &PairedDevice, text: &str) -> (String, Value, Phone) {
    let customer = gw.phone();
    customer.send_text(device.phone.number(), text).await.expect("sent");
    let message = wait_until("the message", || async {
        let list = gw.api.get(&format!("{}?direction=in", path(device))).await.expect(200).json;
        list["items"].as_array()?.iter().find(|m| m["content"]["text"] == text).cloned()
    })
    .await;
    (format!("{}/{}", path(device), message["id"].as_str().expect("an id")), message, customer)
}

/// The first event of a type.
async fn event(gw: &TestGateway, kind: &str, holds: impl Fn(&Value) -> bool) -> Value {
    wait_until(kind, || async {
        let page = gw.api.get("/v1/events?after=0&limit=200").await.expect(200).json;
        page["items"].as_array()?.iter().find(|e| e["type"] == kind && holds(e)).cloned()
    })
    .await
}

/// Makes a change and waits until WhatsApp's server has it.
async fn changed(gw: &TestGateway, method: Method, path: &str, body: Option<Value>) -> Value {
    let request = gw.api.request(method, path).header("Prefer", "wait=10");
    let answer = Client::send(match body {
        Some(body) => request.json(&body),
        None => request,
    })
    .await
    .expect(200);
    let status = answer.json["status"].as_str().unwrap_or_default();
    assert!(["sent", "delivered", "read"].contains(&status), "{}", answer.text);
    answer.json
}

async fn a_reaction_reaches_the_phone_and_is_taken_back(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let (message, _, customer) = received(&gw, &device, "Is it open?").await;
    let whatsapp_id = customer.sent()[0].id.clone();

    let change = changed(&gw, Method::POST, &format!("{message}/reaction"), Some(json!({ "emoji": "👍" }))).await;
    assert_eq!(change["change"], json!({ "type": "reaction", "emoji": "👍" }));
    assert_eq!(seen(&customer, "reaction", "👍").await.about, Some(whatsapp_id.clone()));
    let shown = gw.api.get(&message).await.expect(200).json;
    assert_eq!(shown["reactions"][0]["emoji"], "👍");
    assert!(shown["reactions"][0]["by"].is_null(), "it is the own account's: {shown}");
    let told = event(&gw, "message.reaction", |_| true).await;
    assert_eq!((&told["data"]["id"], &told["data"]["change"]["id"]), (&shown["id"], &change["id"]));

    changed(&gw, Method::POST, &format!("{message}/reaction"), Some(json!({ "emoji": "" }))).await;
    assert_eq!(seen(&customer, "reaction", "").await.about, Some(whatsapp_id));
    assert_eq!(gw.api.get(&message).await.expect(200).json["reactions"], Value::Null);
    let list = gw.api.get(&path(&device)).await.expect(200).json;
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "changes are no messages: {list}");
    let history = gw.api.get(&format!("{message}/changes")).await.expect(200).json;
    assert_eq!(history["items"].as_array().map(Vec::len), Some(2));
}

async fn reactions_of_others_change_the_message(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let (message, arrived, customer) = sent(&gw, &device).await;

    customer.react(device.phone.number(), &arrived.id, "❤").await.expect("sent");
    let told = event(&gw, "message.reaction", |_| true).await;
    assert_eq!(told["data"]["change"]["change"]["emoji"], "❤");
    assert_eq!(told["data"]["change"]["by"]["pn"], customer.jid());
    let shown = gw.api.get(&message).await.expect(200).json;
    assert_eq!(
        (&shown["reactions"][0]["emoji"], &shown["reactions"][0]["by"]["pn"]),
        (&json!("❤"), &json!(customer.jid()))
    );

    // The phone that the device is linked to is the same account.
    device.phone.react(customer.number(), &arrived.id, "🎉").await.expect("sent");
    event(&gw, "message.reaction", |e| e["data"]["change"]["change"]["emoji"] == "🎉").await;
    let shown = gw.api.get(&message).await.expect(200).json;
    assert_eq!(shown["reactions"].as_array().map(Vec::len), Some(2), "{shown}");
}

async fn a_change_to_a_message_nobody_knows_is_told(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let customer = gw.phone();
    customer.react(device.phone.number(), "3EB0FFFFFFFFFFFFFFFFFF", "❤").await.expect("sent");
    let told = event(&gw, "message.reaction", |_| true).await;
    assert_eq!(told["data"]["whatsapp_id"], "3EB0FFFFFFFFFFFFFFFFFF");
    assert_eq!(told["data"]["chat"]["pn"], customer.jid());
    assert!(told["data"]["id"].is_null());
}

async fn an_edit_says_something_else_and_keeps_what_was_said(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let (message, arrived, customer) = sent(&gw, &device).await;

    for text in ["Hello Ada", "Hello Ada!"] {
        changed(&gw, Method::PATCH, &message, Some(json!({ "text": text }))).await;
        assert_eq!(seen(&customer, "edit", text).await.about.as_deref(), Some(arrived.id.as_str()));
    }
    let shown = gw.api.get(&message).await.expect(200).json;
    assert_eq!((&shown["content"]["text"], &shown["original"]), (&json!("Hello Ada!"), &json!("Hello")));
    assert!(shown["edited_at"].is_string(), "{shown}");
    let told = event(&gw, "message.edited", |e| e["data"]["content"]["text"] == "Hello Ada!").await;
    assert_eq!(told["data"]["id"], shown["id"]);
    let history = gw.api.get(&format!("{message}/changes")).await.expect(200).json;
    let texts: Vec<_> = history["items"].as_array().expect("items").iter().map(|c| &c["change"]["text"]).collect();
    assert_eq!(texts, ["Hello Ada!", "Hello Ada"]);
}

async fn edits_of_others_never_overtake_their_message(kind: Kind) {
    const TEXTS: usize = 20;
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let customer = gw.phone();
    for n in 0..TEXTS {
        let id = customer.send_text(device.phone.number(), &format!("helo {n}")).await.expect("sent");
        customer.edit(device.phone.number(), &id, &format!("hello {n}")).await.expect("sent");
    }
    wait_until("all edits", || async {
        let list = gw.api.get(&path(&device)).await.expect(200).json;
        let items = list["items"].as_array()?;
        let edited = |m: &&Value| m["content"]["text"].as_str().is_some_and(|text| text.starts_with("hello"));
        (items.iter().filter(edited).count() == TEXTS).then_some(())
    })
    .await;
    let page = gw.api.get("/v1/events?after=0&limit=200").await.expect(200).json;
    let mut told: Vec<(String, String)> = Vec::new();
    for event in page["items"].as_array().expect("items") {
        if ["message.received", "message.edited"].contains(&event["type"].as_str().unwrap_or_default()) {
            told.push((event["type"].to_string(), event["data"]["id"].to_string()));
        }
    }
    assert_eq!(told.len(), 2 * TEXTS);
    for pair in told.chunks(2) {
        assert_eq!((pair[0].0.as_str(), pair[1].0.as_str()), ("\"message.received\"", "\"message.edited\""));
        assert_eq!(pair[0].1, pair[1].1);
    }
}

async fn a_message_is_deleted_for_everybody(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let (message, arrived, customer) = sent(&gw, &device).await;
    changed(&gw, Method::DELETE, &message, None).await;
    assert_eq!(seen(&customer, "revoke", &arrived.id).await.about.as_deref(), Some(arrived.id.as_str()));
    let shown = gw.api.get(&message).await.expect(200).json;
    assert!(shown["revoked_at"].is_string(), "{shown}");
    event(&gw, "message.revoked", |e| e["data"]["id"] == shown["id"]).await;
    for (method, body) in [(Method::DELETE, Value::Null), (Method::PATCH, json!({ "text": "again" }))] {
        let refused = Client::send(gw.api.request(method, &message).json(&body)).await.expect(409);
        assert_eq!(refused.str("/code"), "message_not_changeable");
    }
}

async fn only_its_author_deletes_a_message_of_two(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let (message, arrived, customer) = sent(&gw, &device).await;
    let (theirs, _, other) = received(&gw, &device, "Is it open?").await;
    for refused in [gw.api.delete(&theirs).await, gw.api.patch(&theirs, json!({ "text": "It is open" })).await] {
        assert_eq!(refused.expect(409).str("/code"), "message_not_changeable");
    }
    // A client that was tampered with says what it likes.
    customer.revoke(device.phone.number(), &arrived.id).await.expect("sent");
    customer.edit(device.phone.number(), &arrived.id, "I owe you").await.expect("sent");
    customer.send_text(device.phone.number(), "behind them").await.expect("sent");
    event(&gw, "message.received", |e| e["data"]["content"]["text"] == "behind them").await;
    let shown = gw.api.get(&message).await.expect(200).json;
    assert_eq!((&shown["content"]["text"], &shown["revoked_at"]), (&json!("Hello"), &Value::Null));

    let id = other.sent()[0].id.clone();
    other.revoke(device.phone.number(), &id).await.expect("sent");
    event(&gw, "message.revoked", |e| e["data"]["whatsapp_id"] == id).await;
    assert!(gw.api.get(&theirs).await.expect(200).json["revoked_at"].is_string());
}

async fn a_message_is_pinned_and_taken_down(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let (message, arrived, customer) = sent(&gw, &device).await;
    let pin = format!("{message}/pin");
    changed(&gw, Method::POST, &pin, Some(json!({ "seconds": 86_400 }))).await;
    assert_eq!(seen(&customer, "pin", "pinned").await.about.as_deref(), Some(arrived.id.as_str()));
    assert!(gw.api.get(&message).await.expect(200).json["pinned_until"].is_string());
    changed(&gw, Method::DELETE, &pin, None).await;
    seen(&customer, "pin", "unpinned").await;
    assert!(gw.api.get(&message).await.expect(200).json["pinned_until"].is_null());
    event(&gw, "message.pinned", |e| e["data"]["pinned_until"].is_null()).await;
    assert_eq!(gw.api.post(&pin, json!({ "seconds": 60 })).await.expect(400).str("/field"), "seconds");
}

async fn changes_that_cant_be_made_change_nothing(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let (message, ..) = received(&gw, &device, "Is it open?").await;

    for emoji in ["two words", &"x".repeat(65), "\n"] {
        let refused = gw.api.post(&format!("{message}/reaction"), json!({ "emoji": emoji })).await.expect(400);
        assert_eq!(refused.str("/field"), "emoji");
    }
    let old = TestGateway::start_with(kind, |c| c.limits.edit_window = std::time::Duration::ZERO).await;
    let device_of_old = old.paired("sales").await;
    let (late, ..) = sent(&old, &device_of_old).await;
    let refused = old.api.patch(&late, json!({ "text": "too late" })).await.expect(409);
    assert!(refused.str("/detail").contains("too old"), "{}", refused.text);
    let blank = gw.api.patch(&message, json!({ "text": " " })).await.expect(400);
    assert_eq!(blank.str("/field"), "text");
    let nowhere = format!("{}/msg_00000000000000000000000000/reaction", path(&device));
    assert_eq!(gw.api.post(&nowhere, json!({ "emoji": "👍" })).await.expect(404).str("/code"), "not_found");
    let history = gw.api.get(&format!("{message}/changes")).await.expect(200).json;
    assert_eq!(history["items"], json!([]));
}
