//! Repeated requests: under one `Idempotency-Key` a thing is done once, and the first answer comes again as it was given.

use portico_harness::{Answer, Client, Kind, Receiver, TestGateway, wait_until};
use reqwest::Method;
use serde_json::{Value, json};

on_both! {
    the_first_answer_comes_again_whatever_became_of_its_subject
    a_sent_message_is_answered_as_it_was_taken
}

async fn keyed(api: &Client, path: &str, body: Option<&Value>) -> Answer {
    let key = format!("k1-of-{}", path.replace('/', "."));
    let request = api.request(Method::POST, path).header("Idempotency-Key", key);
    Client::send(match body {
        Some(body) => request.json(body),
        None => request,
    })
    .await
}

fn is_replay(answer: &Answer) -> bool {
    answer.headers.get("idempotent-replay").map(String::as_str) == Some("true")
}

async fn the_first_answer_comes_again_whatever_became_of_its_subject(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let hook = Receiver::start().await;
    let made = [
        ("/v1/devices", json!({ "name": "sales", "refs": { "shop": "1" } })),
        ("/v1/webhooks", json!({ "url": hook.url(), "events": ["*"] })),
        ("/v1/keys", json!({ "name": "orders" })),
    ];
    for (path, body) in made {
        let first = keyed(&gw.api, path, Some(&body)).await.expect(201);
        assert!(!is_replay(&first));
        gw.api.delete(&format!("{path}/{}", first.str("/id"))).await.expect(204);
        let again = keyed(&gw.api, path, Some(&body)).await.expect(201);
        assert_eq!((again.text.as_str(), is_replay(&again)), (first.text.as_str(), true), "{path}");
        assert_eq!(again.headers.get("location"), first.headers.get("location"), "{path}");
    }
    assert_eq!(gw.api.get("/v1/devices?total=true").await.expect(200).json["total"], 0, "nothing was made again");
    let other = keyed(&gw.api, "/v1/keys", Some(&json!({ "name": "other" }))).await.expect(409);
    assert_eq!(other.str("/code"), "idempotency_key_reused");

    let device = gw.api.post("/v1/devices", json!({ "name": "sales" })).await.expect(201).str("/id");
    let connect = format!("/v1/devices/{device}/connect");
    let first = keyed(&gw.api, &connect, None).await.expect(202);
    gw.wait_for_state(&device, "pairing").await;
    gw.api.act(&format!("/v1/devices/{device}/disconnect")).await.expect(200);
    let again = keyed(&gw.api, &connect, None).await.expect(202);
    assert_eq!(again.text, first.text);
    assert_eq!(gw.api.get(&format!("/v1/devices/{device}")).await.expect(200).str("/state"), "disconnected");
}

async fn a_sent_message_is_answered_as_it_was_taken(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let customer = gw.phone();
    let path = format!("/v1/devices/{}/messages", device.id);
    let body = json!({ "to": customer.number(), "content": { "type": "text", "text": "hello" } });
    let first = keyed(&gw.api, &path, Some(&body)).await.expect(202);
    assert_eq!(customer.next_text().await.expect("it arrives"), "hello");
    let message = format!("{path}/{}", first.str("/id"));
    wait_until("delivered", || async { (gw.api.get(&message).await.json["status"] == "delivered").then_some(()) })
        .await;
    let again = keyed(&gw.api, &path, Some(&body)).await.expect(202);
    assert_eq!((again.text.as_str(), again.str("/status").as_str()), (first.text.as_str(), "queued"));
    assert!(is_replay(&again));
}
