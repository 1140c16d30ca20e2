//! The dialect `instances`: its clients' calls, answered by a component over the REST core.

use portico_harness::{Client, Kind, Receiver, TestGateway, wait_until};
use reqwest::Method;
use serde_json::{Value, json};

on_both! { a_client_of_instances_pairs_and_texts the_dialect_answers_errors_in_its_own_shape }

struct Dialect<'a> {
    gw: &'a TestGateway,
    key: String,
}

impl Dialect<'_> {
    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> portico_harness::Answer {
        let request = self.gw.api.with_key(None).request(method, path).header("X-API-Key", &self.key);
        Client::send(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    }
}

async fn a_client_of_instances_pairs_and_texts(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let made = gw.api.with_key(None).post("/api/auth/generate-key", json!({ "name": "My key" })).await.expect(200);
    let client = Dialect { gw: &gw, key: made.str("/data/apiKey") };
    let hook = Receiver::start().await;

    let body = json!({ "name": "My instance", "webhookUrl": hook.url() });
    let instance = client.call(Method::POST, "/api/instance/create", Some(body)).await.expect(200);
    assert_eq!(instance.json["data"]["status"], "disconnected");
    let id = instance.str("/data/id");
    assert_eq!(id.len(), 36, "a UUID: {id}");

    let phone = gw.phone();
    let qr = wait_until("a code", || async {
        let answer = client.call(Method::GET, &format!("/api/instance/{id}/qr"), None).await;
        answer.json["data"]["qr"].as_str().map(str::to_owned)
    })
    .await;
    phone.scan_qr(&qr).await.expect("scanned");
    wait_until("connected", || async {
        let answer = client.call(Method::GET, &format!("/api/instance/{id}/status"), None).await;
        (answer.json["data"]["status"] == "connected").then_some(())
    })
    .await;

    let customer = gw.phone();
    let text = json!({ "instanceId": id, "to": customer.jid(), "message": "Hello World!" });
    let sent = client.call(Method::POST, "/api/message/send/text", Some(text)).await.expect(200);
    assert_eq!(sent.json["success"], true);
    assert_eq!(customer.next_text().await.expect("it arrives"), "Hello World!");

    customer.send_text(phone.number(), "Hello!").await.expect("sent");
    let delivery = wait_until("the webhook", || async {
        hook.all().into_iter().find(|d| d.json()["event"] == "message.received")
    })
    .await;
    let body = delivery.json();
    assert_eq!(body["instanceId"], id);
    assert_eq!(body["data"]["from"], customer.jid());
    assert_eq!(body["data"]["to"], phone.jid());
    assert_eq!(body["data"]["message"]["conversation"], "Hello!");
    assert!(!delivery.header("x-webhook-signature").is_empty());

    // The same dialect under its own prefix.
    let list = client.call(Method::GET, "/d/instances/api/instance", None).await.expect(200);
    assert!(list.text.contains(&id));
}

async fn the_dialect_answers_errors_in_its_own_shape(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let stranger = Dialect { gw: &gw, key: "nothing".to_owned() };
    let refused = stranger.call(Method::GET, "/api/instance", None).await.expect(401);
    assert_eq!(refused.json["success"], false);
    assert!(refused.json["error"].is_string());

    let client = Dialect { gw: &gw, key: gw.key.clone() };
    let unknown = "/api/instance/00000000-0000-4000-8000-000000000000/status";
    assert_eq!(client.call(Method::GET, unknown, None).await.expect(404).json["success"], false);
    let bad = json!({ "instanceId": 5 });
    assert_eq!(client.call(Method::POST, "/api/message/send/text", Some(bad)).await.expect(400).json["success"], false);
    let later = client.call(Method::POST, "/api/message/typing/start", Some(json!({}))).await.expect(501);
    assert_eq!(later.json["success"], false);
}
