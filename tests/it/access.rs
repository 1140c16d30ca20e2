//! Keys: who gets in, what a key may do, and that tenants never see each other.

use portico_harness::{Kind, TestGateway};
use serde_json::json;

on_both! {
    nobody_gets_in_without_a_key
    a_key_can_do_what_its_scopes_say_and_nothing_else
    tenants_never_see_each_other
    a_revoked_key_stops_working_at_once
    a_key_reaches_no_further_than_its_maker
    a_webhook_shows_nothing_its_maker_may_not_see
}

async fn nobody_gets_in_without_a_key(kind: Kind) {
    let gw = TestGateway::start_with(kind, |c| c.server.sign_up = portico_harness::closed_sign_up()).await;
    for key in [None, Some("wrong"), Some("portico_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")] {
        let stranger = gw.api.with_key(key);
        for path in ["/v1/devices", "/v1/keys", "/v1/webhooks", "/v1/events", "/v1/plugins"] {
            let answer = stranger.get(path).await.expect(401);
            assert_eq!(answer.str("/code"), "unauthenticated", "{path}");
        }
        stranger.post("/v1/devices", json!({ "name": "x" })).await.expect(401);
        stranger.post("/v1/keys", json!({ "name": "x" })).await.expect(401);
    }
    assert_eq!(gw.api.with_key(None).get("/health").await.status, 200);
}

async fn a_key_can_do_what_its_scopes_say_and_nothing_else(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let made = gw.api.post("/v1/keys", json!({ "name": "reader", "scopes": ["devices:read"] })).await.expect(201);
    let reader = gw.api.with_key(Some(&made.str("/key")));
    reader.get("/v1/devices").await.expect(200);
    let refused = reader.post("/v1/devices", json!({ "name": "x" })).await.expect(403);
    assert!(refused.str("/detail").contains("devices:write"), "{}", refused.text);
    // A key can't hand on what it lacks.
    reader.post("/v1/keys", json!({ "name": "more" })).await.expect(403);
    let list = gw.api.get("/v1/keys").await.expect(200);
    assert!(!list.text.contains(&made.str("/key")), "a key is shown once");
}

async fn tenants_never_see_each_other(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    // Sign-up is open with the sandbox network: a stranger gets a tenant of its own.
    let other = gw.api.with_key(None).post("/v1/keys", json!({ "name": "other" })).await.expect(201).str("/key");
    let other = gw.api.with_key(Some(&other));
    assert_eq!(other.get("/v1/devices").await.expect(200).json["items"], json!([]));
    for path in ["", "/qr", "/messages", "/resources"] {
        other.get(&format!("/v1/devices/{}{path}", device.id)).await.expect(404);
    }
    for action in ["connect", "disconnect", "logout", "restart"] {
        other.act(&format!("/v1/devices/{}/{action}", device.id)).await.expect(404);
    }
    let webhook = json!({ "device": device.id, "url": "http://127.0.0.1:9/", "events": ["*"] });
    other.post("/v1/webhooks", webhook).await.expect(404);
    other.delete(&format!("/v1/devices/{}", device.id)).await.expect(404);
    gw.wait_for_state(&device.id, "connected").await;
}

async fn a_revoked_key_stops_working_at_once(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let made = gw.api.post("/v1/keys", json!({ "name": "short-lived" })).await.expect(201);
    let client = gw.api.with_key(Some(&made.str("/key")));
    client.get("/v1/devices").await.expect(200);
    gw.api.delete(&format!("/v1/keys/{}", made.str("/id"))).await.expect(204);
    client.get("/v1/devices").await.expect(401);
}

async fn a_key_reaches_no_further_than_its_maker(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let make = json!({ "name": "tools", "scopes": ["keys:write", "devices:read"], "expires_in_days": 1 });
    let made = gw.api.post("/v1/keys", make).await.expect(201);
    let tools = gw.api.with_key(Some(&made.str("/key")));
    let child = tools.post("/v1/keys", json!({ "name": "child", "scopes": ["devices:read"] })).await.expect(201);
    assert_eq!(child.json["expires_at"], made.json["expires_at"], "it lives no longer");
    tools.post("/v1/keys", json!({ "name": "none", "scopes": [] })).await.expect(400);
    let keys = gw.api.get("/v1/keys").await.expect(200).json;
    let admin = keys["items"].as_array().expect("keys").last().expect("the first key")["id"].clone();
    tools.delete(&format!("/v1/keys/{}", admin.as_str().expect("an id"))).await.expect(403);
    tools.delete(&format!("/v1/keys/{}", child.str("/id"))).await.expect(204);
    gw.api.get("/v1/devices").await.expect(200);
}

async fn a_webhook_shows_nothing_its_maker_may_not_see(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let scopes = json!(["webhooks:write", "webhooks:read", "devices:read"]);
    let made = gw.api.post("/v1/keys", json!({ "name": "plumber", "scopes": scopes })).await.expect(201);
    let plumber = gw.api.with_key(Some(&made.str("/key")));
    let hook = |events: &str| json!({ "url": "http://127.0.0.1:9/", "events": [events] });
    for events in ["*", "message.*", "message.received"] {
        let refused = plumber.post("/v1/webhooks", hook(events)).await.expect(403);
        assert!(refused.str("/detail").contains("messages:read"), "{}", refused.text);
    }
    let states = plumber.post("/v1/webhooks", hook("device.state")).await.expect(201).str("/id");
    let patch = |id: &str, body: serde_json::Value| {
        let request = plumber.request(reqwest::Method::PATCH, &format!("/v1/webhooks/{id}")).json(&body);
        portico_harness::Client::send(request)
    };
    patch(&states, json!({ "events": ["*"] })).await.expect(403);
    patch(&states, json!({ "url": "http://127.0.0.1:10/" })).await.expect(200);
    // Somebody else's: a new address would carry the messages away.
    let messages = gw.api.post("/v1/webhooks", hook("*")).await.expect(201).str("/id");
    patch(&messages, json!({ "url": "http://127.0.0.1:10/" })).await.expect(403);
    let kept = gw.api.get(&format!("/v1/webhooks/{messages}")).await.expect(200);
    assert_eq!(kept.str("/url"), "http://127.0.0.1:9/");
}
