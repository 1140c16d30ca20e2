//! What spares other systems a table of their own: numbers, refs, offsets and totals, device keys, plain webhook secrets, and
//! a device with its webhook and settings in one request.

use portico_harness::{Answer, Client, Kind, Receiver, TestGateway, wait_until};
use reqwest::Method;
use serde_json::{Value, json};

on_both! {
    a_device_is_made_with_refs_settings_and_a_webhook
    refs_are_unique_and_stand_for_ids
    numbers_stand_for_ids_and_are_not_given_twice
    lists_pass_over_rows_and_count_them
    a_device_key_reaches_its_device_only
    a_plain_text_signs_as_its_bytes
    messages_are_found_by_whatsapps_id
}

async fn patch(client: &Client, path: &str, body: Value) -> Answer {
    Client::send(client.request(Method::PATCH, path).json(&body)).await
}

async fn a_device_is_made_with_refs_settings_and_a_webhook(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let hook = Receiver::start().await;
    let body = json!({
        "name": "sales",
        "refs": { "shop": "1001" },
        "settings": { "ai": { "on": true, "model": "m" } },
        "webhook": { "url": hook.url(), "events": ["*"], "secret": "my secret", "format_data": { "version": 2 } },
    });
    let request = |key: &str| gw.api.request(Method::POST, "/v1/devices").header("Idempotency-Key", key).json(&body);
    let made = Client::send(request("k1")).await.expect(201);
    assert_eq!((&made.json["refs"], &made.json["settings"]), (&body["refs"], &body["settings"]));
    assert_eq!((made.str("/webhook/device"), made.str("/webhook/secret")), (made.str("/id"), "my secret".to_owned()));
    assert_eq!(made.json["webhook"]["format_data"], Value::Null, "what the format is told is not shown again");
    let again = Client::send(request("k1")).await.expect(201);
    assert_eq!(again.text, made.text, "a lost answer comes again, with the signing key");

    // When any part is refused nothing is made.
    let refused = Client::send(request("k2")).await.expect(409);
    assert_eq!(refused.str("/code"), "ref_taken");
    let bad = json!({ "name": "support", "webhook": { "url": "ftp://example.com", "events": ["*"] } });
    gw.api.post("/v1/devices", bad).await.expect(400);
    let lists = async |path: &str| gw.api.get(path).await.expect(200).json["total"].clone();
    assert_eq!((lists("/v1/devices?total=true").await, lists("/v1/webhooks?total=true").await), (json!(1), json!(1)));

    let device = made.str("/id");
    gw.api.act(&format!("/v1/webhooks/{}/test", made.str("/webhook/id"))).await.expect(202);
    hook.at_least(1).await;
    let change = json!({ "settings": { "ai": { "model": null }, "tag": 1 }, "refs": { "crm": "7", "shop": null } });
    let changed = patch(&gw.api, &format!("/v1/devices/{device}"), change).await.expect(200);
    assert_eq!(changed.json["settings"], json!({ "ai": { "on": true }, "tag": 1 }));
    assert_eq!(changed.json["refs"], json!({ "crm": "7" }));
    assert_eq!(gw.api.get(&format!("/v1/devices/{device}")).await.expect(200).json, changed.json);

    // A webhook needs its own scope.
    let key = gw.api.post("/v1/keys", json!({ "name": "k", "scopes": ["devices:write"] })).await.expect(201);
    let body = json!({ "name": "support", "webhook": { "url": hook.url(), "events": ["*"] } });
    gw.api.with_key(Some(&key.str("/key"))).post("/v1/devices", body).await.expect(403);
}

async fn refs_are_unique_and_stand_for_ids(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let make = async |name: &str, refs: Value| gw.api.post("/v1/devices", json!({ "name": name, "refs": refs })).await;
    let first = make("a", json!({ "shop": "10/1 b" })).await.expect(201).str("/id");
    let second = make("b", json!({ "crm": "10/1 b" })).await.expect(201).str("/id");
    let found = gw.api.get("/v1/devices/ref:shop:10%2F1%20b").await.expect(200);
    assert_eq!(found.str("/id"), first);
    for path in ["ref:shop:11", "ref:erp:1", "ref:shop", "ref:", "no:", "no:x", "no:99", "dev_x"] {
        let answer = gw.api.get(&format!("/v1/devices/{path}")).await.expect(404);
        assert_eq!(answer.str("/code"), "device_not_found", "{path}");
    }
    let taken = patch(&gw.api, &format!("/v1/devices/{second}"), json!({ "refs": { "shop": "10/1 b" } })).await;
    assert_eq!(taken.expect(409).str("/code"), "ref_taken");
    assert_eq!(gw.api.get(&format!("/v1/devices/{second}")).await.json["refs"], json!({ "crm": "10/1 b" }));
    assert_eq!(make("c", json!({ "Shop": "1" })).await.expect(400).str("/field"), "refs");
    let list = gw.api.get("/v1/devices?ref=shop&total=true").await.expect(200);
    assert_eq!((list.str("/items/0/id"), &list.json["total"]), (first, &json!(1)));
    assert_eq!(gw.api.get("/v1/devices?ref=shop:2").await.expect(200).json["items"], json!([]));

    // Another tenant has its own, and finds none of these.
    let other = gw.api.with_key(None).post("/v1/keys", json!({ "name": "other" })).await.expect(201).str("/key");
    let other = gw.api.with_key(Some(&other));
    other.get("/v1/devices/ref:shop:10%2F1%20b").await.expect(404);
    other.post("/v1/devices", json!({ "name": "a", "refs": { "shop": "10/1 b" } })).await.expect(201);
    // They go with their device.
    gw.api.delete("/v1/devices/ref:shop:10%2F1%20b").await.expect(204);
    make("d", json!({ "shop": "10/1 b" })).await.expect(201);
}

async fn numbers_stand_for_ids_and_are_not_given_twice(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let make = async || gw.api.post("/v1/devices", json!({ "name": "sales" })).await.expect(201).json["number"].clone();
    assert_eq!([make().await, make().await], [1, 2]);
    gw.api.delete("/v1/devices/no:2").await.expect(204);
    assert_eq!(make().await, 3);
    let hook = json!({ "device": "no:3", "url": "http://127.0.0.1:9/", "events": ["*"] });
    let hook = gw.api.post("/v1/webhooks", hook).await.expect(201);
    let third = gw.api.get("/v1/devices/no:3").await.expect(200).str("/id");
    assert_eq!((hook.str("/device"), &hook.json["number"]), (third, &json!(1)));
    assert_eq!(gw.api.get("/v1/webhooks/no:1").await.expect(200).str("/id"), hook.str("/id"));
    let made = gw.api.post("/v1/keys", json!({ "name": "shop" })).await.expect(201);
    assert_eq!(gw.api.get("/v1/keys/no:2").await.expect(200).str("/id"), made.str("/id"));
    gw.api.delete("/v1/keys/no:2").await.expect(204);
    gw.api.with_key(Some(&made.str("/key"))).get("/v1/devices").await.expect(401);
}

async fn lists_pass_over_rows_and_count_them(kind: Kind) {
    let gw = TestGateway::start_with(kind, |config| config.limits.page_offset_max = 5).await;
    for n in 1..=4 {
        gw.api.post("/v1/devices", json!({ "name": format!("d{n}") })).await.expect(201);
    }
    let page = gw.api.get("/v1/devices?limit=2&offset=1&total=true").await.expect(200);
    let numbers = |page: &Answer| -> Vec<Value> {
        page.json["items"].as_array().expect("a list").iter().map(|d| d["number"].clone()).collect()
    };
    assert_eq!((numbers(&page), &page.json["total"]), (vec![json!(3), json!(2)], &json!(4)));
    // A page by offset leads on by cursor.
    let rest = gw.api.get(&format!("/v1/devices?cursor={}", page.str("/next"))).await.expect(200);
    assert_eq!((numbers(&rest), &rest.json["total"]), (vec![json!(1)], &Value::Null));
    for query in ["offset=6", "offset=-1", "offset=1&cursor=dev_1", "total=perhaps"] {
        gw.api.get(&format!("/v1/devices?{query}")).await.expect(400);
    }
    let device = gw.api.get("/v1/devices/no:1").await.str("/id");
    let body = json!({ "device": device, "url": "http://127.0.0.1:9/", "events": ["device.*"] });
    let hook = gw.api.post("/v1/webhooks", body).await.expect(201).str("/id");
    for (path, total) in [
        ("/v1/keys".to_owned(), 1),
        ("/v1/webhooks".to_owned(), 1),
        (format!("/v1/webhooks/{hook}/deliveries"), 0),
        (format!("/v1/devices/{device}/messages"), 0),
    ] {
        let list = gw.api.get(&format!("{path}?offset=0&total=true")).await.expect(200);
        assert_eq!(list.json["total"], total, "{path}");
    }
}

async fn a_device_key_reaches_its_device_only(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let make = async |name: &str| gw.api.post("/v1/devices", json!({ "name": name })).await.expect(201).str("/id");
    let (own, other) = (make("own").await, make("other").await);
    let hook = |device: Option<&str>| json!({ "device": device, "url": "http://127.0.0.1:9/", "events": ["*"] });
    let theirs = gw.api.post("/v1/webhooks", hook(Some(&other))).await.expect(201).str("/id");
    let everybodys = gw.api.post("/v1/webhooks", hook(None)).await.expect(201).str("/id");
    let body = json!({ "name": "till", "device": own, "prefix": "dev_", "revealable": true });
    let made = gw.api.post("/v1/keys", body).await.expect(201);
    assert_eq!(made.str("/device"), own);
    let key = gw.api.with_key(Some(&made.str("/key")));

    let list = key.get("/v1/devices?total=true").await.expect(200);
    assert_eq!((list.str("/items/0/id"), &list.json["total"]), (own.clone(), &json!(1)));
    for path in ["", "/messages", "/resources"] {
        key.get(&format!("/v1/devices/{own}{path}")).await.expect(200);
        assert_eq!(key.get(&format!("/v1/devices/{other}{path}")).await.expect(404).str("/code"), "device_not_found");
    }
    key.get("/v1/devices/no:2").await.expect(404);
    key.act(&format!("/v1/devices/{other}/connect")).await.expect(404);
    key.delete(&format!("/v1/devices/{other}")).await.expect(404);
    let text = json!({ "to": "15550100002", "content": { "type": "text", "text": "hi" } });
    key.post(&format!("/v1/devices/{other}/messages"), text).await.expect(404);
    // The tenant's own things are out of reach.
    key.post("/v1/devices", json!({ "name": "more" })).await.expect(403);
    key.get("/v1/keys").await.expect(403);
    key.post("/v1/keys", json!({ "name": "more" })).await.expect(403);
    // Webhooks are those of the device.
    let mine = key.post("/v1/webhooks", hook(None)).await.expect(201);
    assert_eq!(mine.str("/device"), own);
    key.post("/v1/webhooks", hook(Some(&other))).await.expect(404);
    let hooks = key.get("/v1/webhooks?total=true").await.expect(200);
    assert_eq!((hooks.str("/items/0/id"), &hooks.json["total"]), (mine.str("/id"), &json!(1)));
    for id in [&theirs, &everybodys] {
        key.get(&format!("/v1/webhooks/{id}")).await.expect(404);
        key.get(&format!("/v1/webhooks/{id}/deliveries")).await.expect(404);
        key.act(&format!("/v1/webhooks/{id}/test")).await.expect(404);
        patch(&key, &format!("/v1/webhooks/{id}"), json!({ "url": "http://127.0.0.1:10/" })).await.expect(404);
        key.delete(&format!("/v1/webhooks/{id}")).await.expect(404);
    }
    // So are events.
    for device in [&own, &other] {
        gw.api.act(&format!("/v1/devices/{device}/connect")).await.expect(202);
    }
    wait_until("events of both", || async {
        let all = gw.api.get("/v1/events?after=0").await.json;
        let all = all["items"].as_array()?.clone();
        [&own, &other].iter().all(|device| all.iter().any(|event| event["device"] == **device)).then_some(())
    })
    .await;
    let seen = key.get("/v1/events?after=0").await.expect(200).json;
    let seen = seen["items"].as_array().expect("events").clone();
    assert!(!seen.is_empty() && seen.iter().all(|event| event["device"] == own), "{seen:?}");
    key.get(&format!("/v1/events?after=0&device={other}")).await.expect(404);

    // It can be given nothing that belongs to the whole tenant, and goes with its device.
    let more = json!({ "name": "k", "device": own, "scopes": ["keys:write"] });
    assert_eq!(gw.api.post("/v1/keys", more).await.expect(400).str("/field"), "scopes");
    gw.api.post("/v1/keys", json!({ "name": "k", "device": "no:99" })).await.expect(400);
    let of_device = gw.api.get(&format!("/v1/keys?device={own}&reveal=true")).await.expect(200);
    assert_eq!(of_device.str("/items/0/key"), made.str("/key"));
    gw.api.delete(&format!("/v1/devices/{own}")).await.expect(204);
    key.get("/v1/devices").await.expect(401);
}

async fn a_plain_text_signs_as_its_bytes(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let hook = Receiver::start().await;
    let body = json!({ "url": hook.url(), "events": ["*"], "secret": "not random at all" });
    let made = gw.api.post("/v1/webhooks", body).await.expect(201);
    assert_eq!(made.str("/secret"), "not random at all");
    gw.api.act(&format!("/v1/webhooks/{}/test", made.str("/id"))).await.expect(202);
    let first = hook.at_least(1).await.remove(0);
    assert!(first.is_signed_with("not random at all"));
    let change = json!({ "secret": "another" });
    patch(&gw.api, &format!("/v1/webhooks/{}", made.str("/id")), change).await.expect(200);
    gw.api.act(&format!("/v1/webhooks/{}/test", made.str("/id"))).await.expect(202);
    let second = hook.at_least(2).await.remove(1);
    assert!(second.is_signed_with("another") && !second.is_signed_with("not random at all"));
    let long = json!({ "url": hook.url(), "events": ["*"], "secret": "x".repeat(257) });
    assert_eq!(gw.api.post("/v1/webhooks", long).await.expect(400).str("/field"), "secret");
    let large = json!({ "url": hook.url(), "events": ["*"], "format_data": { "a": "x".repeat(5_000) } });
    assert_eq!(gw.api.post("/v1/webhooks", large).await.expect(400).str("/field"), "format_data");
}

async fn messages_are_found_by_whatsapps_id(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let (a, b) = (gw.paired("a").await, gw.paired("b").await);
    let sent = gw.send_text(&a.id, b.phone.number(), "hello").await;
    let id = sent["whatsapp_id"].as_str().expect("an id").to_owned();
    let both = wait_until("the message on both devices", || async {
        let found = gw.api.get(&format!("/v1/messages?whatsapp_id={id}")).await.expect(200).json;
        let items = found["items"].as_array()?.clone();
        (items.len() == 2).then_some(items)
    })
    .await;
    assert_eq!((&both[0]["device"], &both[1]["device"]), (&json!(b.id), &json!(a.id)), "newest first");
    let of_one = gw.api.get(&format!("/v1/messages?whatsapp_id={id}&device={}", a.id)).await.expect(200);
    assert_eq!(
        (of_one.json["items"].as_array().map(Vec::len), of_one.str("/items/0/id")),
        (Some(1), sent["id"].as_str().unwrap_or_default().to_owned())
    );
    let filtered = gw.api.get(&format!("/v1/devices/{}/messages?whatsapp_id={id}&total=true", b.id)).await.expect(200);
    assert_eq!((filtered.json["items"].as_array().map(Vec::len), &filtered.json["total"]), (Some(1), &json!(1)));
    let message = gw.api.get(&format!("/v1/messages/{}", sent["id"].as_str().unwrap_or_default())).await.expect(200);
    assert_eq!(message.json["whatsapp_id"], id.as_str());
    gw.api.get("/v1/messages").await.expect(400);
    let key = gw.api.post("/v1/keys", json!({ "name": "b", "device": b.id })).await.expect(201).str("/key");
    let key = gw.api.with_key(Some(&key));
    let own = key.get(&format!("/v1/messages?whatsapp_id={id}")).await.expect(200);
    assert_eq!((own.json["items"].as_array().map(Vec::len), own.str("/items/0/device")), (Some(1), b.id.clone()));
    key.get(&format!("/v1/messages/{}", sent["id"].as_str().unwrap_or_default())).await.expect(404);
}
