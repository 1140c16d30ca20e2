//! Contents with a form of their own: phones see what was sent, and what they send comes in.

use portico_harness::{Kind, PairedDevice, TestGateway, wait_until};
use portico_sandbox::{InboxEntry, Phone, Written};
use serde_json::{Value, json};

on_both! {
    places_cards_menus_and_dates_reach_the_phone
    places_and_cards_come_in
    votes_are_read_and_counted
    votes_in_a_poll_of_somebody_else_are_counted
    contents_that_cant_be_sent_are_refused
}

async fn send(gw: &TestGateway, device: &PairedDevice, to: &Phone, content: Value) -> Value {
    let body = json!({ "to": to.number(), "content": content });
    gw.api.post(&format!("/v1/devices/{}/messages", device.id), body).await.expect(202).json
}

async fn seen(phone: &Phone, kind: &str) -> InboxEntry {
    wait_until(&format!("the {kind} at the phone"), || async {
        phone.inbox(0, 500).into_iter().find(|entry| entry.kind == kind)
    })
    .await
}

async fn received(gw: &TestGateway, device: &PairedDevice, kind: &str) -> Value {
    wait_until(&format!("the {kind}"), || async {
        let list = gw.api.get(&format!("/v1/devices/{}/messages?direction=in", device.id)).await.expect(200).json;
        list["items"].as_array()?.iter().find(|m| m["content"]["type"] == kind).cloned()
    })
    .await
}

async fn voted(gw: &TestGateway, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
    wait_until("the vote", || async { Some(gw.api.get(path).await.expect(200).json).filter(|m| holds(m)) }).await
}

async fn places_cards_menus_and_dates_reach_the_phone(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let customer = gw.phone();
    for (content, kind, pointer, wanted) in [
        (
            json!({ "type": "location", "location": { "latitude": -6.2088, "longitude": 106.8456, "name": "Pier" } }),
            "location",
            "/degreesLongitude",
            json!(106.8456),
        ),
        (
            json!({ "type": "live_location", "live_location": { "latitude": 1.5, "longitude": 2, "caption": "Here" } }),
            "live_location",
            "/degreesLatitude",
            json!(1.5),
        ),
        (
            json!({ "type": "contacts", "contacts": [{ "name": "Ada", "number": "+1 555 010 0099" }] }),
            "contacts",
            "/contacts/0/vcard",
            json!("BEGIN:VCARD\nVERSION:3.0\nFN:Ada\nTEL;type=CELL;waid=15550100099:+15550100099\nEND:VCARD"),
        ),
        (
            json!({ "type": "list", "list": { "text": "Choose", "button": "Open",
                "sections": [{ "title": "One", "rows": [{ "id": "a", "title": "A" }] }] } }),
            "list",
            "/sections/0/rows/0/rowId",
            json!("a"),
        ),
        (
            json!({ "type": "buttons", "buttons": { "text": "Choose", "buttons": [{ "id": "a", "text": "A" }] } }),
            "buttons",
            "/buttons/0/buttonText/displayText",
            json!("A"),
        ),
        (
            json!({ "type": "event", "event": { "name": "Party", "place": "Pier", "starts_at": "2026-12-25T18:00:00Z" } }),
            "event",
            "/startTime",
            json!(1_798_221_600),
        ),
    ] {
        let sent = send(&gw, &device, &customer, content.clone()).await;
        let shown = seen(&customer, kind).await.content;
        assert_eq!(shown.pointer(pointer), Some(&wanted), "{kind}: {shown}");
        assert_eq!(sent["content"]["type"], content["type"]);
        let path = format!("/v1/devices/{}/messages/{}", device.id, sent["id"].as_str().expect("an id"));
        wait_until("sent", || async { (gw.api.get(&path).await.json["times"]["sent"].is_string()).then_some(()) })
            .await;
    }
}

async fn places_and_cards_come_in(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let customer = gw.phone();
    let place = Written::Location { latitude: 52.52, longitude: 13.405, name: Some("Pier".to_owned()) };
    customer.send_content(device.phone.number(), &place).await.expect("sent");
    let message = received(&gw, &device, "location").await;
    let wanted = json!({ "type": "location", "location": { "latitude": 52.52, "longitude": 13.405, "name": "Pier" } });
    assert_eq!(message["content"], wanted);
    let vcard = "BEGIN:VCARD\nVERSION:3.0\nFN:Ada\nEND:VCARD".to_owned();
    let card = Written::Contact { name: "Ada".to_owned(), vcard: vcard.clone() };
    customer.send_content(device.phone.number(), &card).await.expect("sent");
    let message = received(&gw, &device, "contacts").await;
    assert_eq!(message["content"]["contacts"], json!([{ "name": "Ada", "vcard": vcard }]));
}

async fn votes_are_read_and_counted(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let customer = gw.phone();
    let poll = json!({ "question": "Which colour?", "options": ["Red", "Blue", "Green"], "selectable": 2 });
    let sent = send(&gw, &device, &customer, json!({ "type": "poll", "poll": poll })).await;
    let path = format!("/v1/devices/{}/messages/{}", device.id, sent["id"].as_str().expect("an id"));
    let shown = seen(&customer, "poll").await;
    assert_eq!(shown.content["options"][1]["optionName"], "Blue");

    let vote = async |options: &[&str]| {
        let options: Vec<_> = options.iter().map(|option| (*option).to_owned()).collect();
        customer.vote(device.phone.number(), &shown.id, &options).await.expect("voted");
    };
    vote(&["Blue", "Green"]).await;
    let message = voted(&gw, &path, |m| m["votes"].is_array()).await;
    assert_eq!(message["votes"][0]["options"], json!(["Blue", "Green"]));
    assert_eq!(message["votes"][0]["by"]["pn"], customer.jid());
    vote(&["Red"]).await;
    let message = voted(&gw, &path, |m| m["results"][0]["votes"] == 1).await;
    assert_eq!(message["results"][1], json!({ "option": "Blue", "votes": 0 }), "a new vote takes the old one's place");
    vote(&[]).await;
    voted(&gw, &path, |m| m["votes"].is_null()).await;
    let events = gw.api.get("/v1/events?after=0&limit=200").await.expect(200).json;
    let told = events["items"].as_array().expect("items").iter().filter(|e| e["type"] == "message.voted").count();
    assert_eq!(told, 3);
}

async fn votes_in_a_poll_of_somebody_else_are_counted(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let customer = gw.phone();
    let poll = Written::Poll { question: "When?".to_owned(), options: vec!["Today".to_owned(), "Tomorrow".to_owned()] };
    let id = customer.send_content(device.phone.number(), &poll).await.expect("sent");
    let message = received(&gw, &device, "poll").await;
    let path = format!("/v1/devices/{}/messages/{}", device.id, message["id"].as_str().expect("an id"));
    // The own account votes on the phone the device is linked to.
    seen(&device.phone, "poll").await;
    device.phone.vote(customer.number(), &id, &["Tomorrow".to_owned()]).await.expect("voted");
    let message = voted(&gw, &path, |m| m["votes"].is_array()).await;
    assert_eq!(message["votes"][0]["options"], json!(["Tomorrow"]));
    assert!(message["votes"][0]["by"].is_null(), "the own account's: {message}");
}

async fn contents_that_cant_be_sent_are_refused(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let customer = gw.phone();
    let path = format!("/v1/devices/{}/messages", device.id);
    for (content, field) in [
        (json!({ "type": "poll", "poll": { "question": "?", "options": ["a"] } }), "content.poll.options"),
        (json!({ "type": "poll", "poll": { "question": "?", "options": vec!["a"; 13] } }), "content"),
        (json!({ "type": "location", "location": { "latitude": 91, "longitude": 0 } }), "content.location.latitude"),
        (json!({ "type": "contacts", "contacts": [] }), "content.contacts"),
        (json!({ "type": "list", "list": { "text": "x", "button": "y", "sections": [] } }), "content.list.sections"),
        (json!({ "type": "buttons", "buttons": { "text": "x", "buttons": [] } }), "content.buttons.buttons"),
        (json!({ "type": "event", "event": { "name": "x", "starts_at": "soon" } }), "content.event.starts_at"),
    ] {
        let refused = gw.api.post(&path, json!({ "to": customer.number(), "content": content })).await.expect(400);
        assert!(refused.str("/field").starts_with(field), "{field}: {}", refused.text);
    }
    assert_eq!(gw.api.get(&path).await.expect(200).json["items"], json!([]));
}
