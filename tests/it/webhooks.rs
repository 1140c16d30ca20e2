//! The outbox from outside: order, retries, signatures, refusals of addresses.

use portico_harness::{Client, Kind, Receiver, TestGateway, wait_until};
use serde_json::json;

on_both! {
    a_failed_delivery_is_tried_again_with_the_same_id_and_holds_back_its_chat_only
    a_gone_endpoint_is_disabled
    a_test_delivery_can_be_replayed
    a_test_that_waits_is_answered_with_what_the_receiver_said
    a_repaired_receiver_gets_what_waits_on_request
    addresses_nobody_should_reach_are_refused
    header_values_are_sent_and_never_shown
    receivers_that_hang_hold_up_no_third_tenant
}

async fn a_failed_delivery_is_tried_again_with_the_same_id_and_holds_back_its_chat_only(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let (one, two) = (gw.phone(), gw.phone());
    let (hook, id, _) = gw.webhook(&device.id, &["message.received"]).await;
    hook.answer_next(&[503]);
    one.send_text(device.phone.number(), "one: first").await.expect("sent");
    hook.at_least(1).await;
    one.send_text(device.phone.number(), "one: second").await.expect("sent");
    two.send_text(device.phone.number(), "two: first").await.expect("sent");

    let all = hook.at_least(4).await;
    let texts: Vec<_> =
        all.iter().map(|d| d.json()["data"]["content"]["text"].as_str().unwrap_or("").to_owned()).collect();
    assert_eq!(texts, ["one: first", "two: first", "one: first", "one: second"]);
    assert_eq!(all[0].header("webhook-id"), all[2].header("webhook-id"));
    let log = wait_until("the log", || async {
        let list = gw.api.get(&format!("/v1/webhooks/{id}/deliveries?state=delivered")).await.expect(200).json;
        let items = list["items"].as_array().cloned().unwrap_or_default();
        (items.len() == 3).then_some(items)
    })
    .await;
    let retried = log.iter().find(|d| d["attempts"] == 2).expect("one was tried twice");
    let detail = gw.api.get(&format!("/v1/deliveries/{}", retried["id"].as_str().unwrap_or(""))).await.expect(200);
    let log = detail.json["attempt_log"].as_array().expect("attempts");
    assert_eq!((&log[0]["status"], &log[1]["status"]), (&json!(503), &json!(204)));
}

async fn a_gone_endpoint_is_disabled(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let (hook, id, _) = gw.webhook(&device.id, &["message.received"]).await;
    hook.answer_next(&[410]);
    gw.phone().send_text(device.phone.number(), "anybody there?").await.expect("sent");
    wait_until("disabled", || async {
        let webhook = gw.api.get(&format!("/v1/webhooks/{id}")).await.json;
        (webhook["state"] == "disabled" && webhook["reason"].is_string()).then_some(())
    })
    .await;
    let dead = gw.api.get(&format!("/v1/webhooks/{id}/deliveries?state=dead")).await.expect(200);
    assert_eq!(dead.json["items"].as_array().map(Vec::len), Some(1));
}

async fn a_test_delivery_can_be_replayed(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.api.post("/v1/devices", json!({ "name": "sales" })).await.expect(201).str("/id");
    let (hook, id, secret) = gw.webhook(&device, &["message.received"]).await;
    gw.api.act(&format!("/v1/webhooks/{id}/test")).await.expect(202);
    let first = hook.at_least(1).await.remove(0);
    assert_eq!(first.json()["type"], "webhook.test");
    assert!(first.is_signed_with(&secret));
    let delivery = wait_until("delivered", || async {
        let list = gw.api.get(&format!("/v1/webhooks/{id}/deliveries?state=delivered")).await;
        list.json["items"][0]["id"].as_str().map(str::to_owned)
    })
    .await;
    gw.api.act(&format!("/v1/deliveries/{delivery}/replay")).await.expect(202);
    let again = hook.at_least(2).await.remove(1);
    assert_eq!(again.header("webhook-id"), first.header("webhook-id"));

    // Asked for twice with one key: made once.
    let keyed = async |path: &str| {
        let request = gw.api.request(reqwest::Method::POST, path).header("Idempotency-Key", path.replace('/', "-"));
        portico_harness::Client::send(request).await.expect(202).json
    };
    let test = format!("/v1/webhooks/{id}/test");
    assert_eq!(keyed(&test).await, keyed(&test).await);
    hook.at_least(3).await;
    let replay = format!("/v1/deliveries/{delivery}/replay");
    keyed(&replay).await;
    keyed(&replay).await;
    let last = gw.api.act(&test).await.expect(202).str("/event");
    let came = || hook.all().iter().any(|d| d.header("webhook-id") == last);
    wait_until("the last one", || async { came().then_some(()) }).await;
    assert_eq!(hook.all().len(), 5, "the last of its lane: nothing is under way behind it");
}

async fn a_test_that_waits_is_answered_with_what_the_receiver_said(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.api.post("/v1/devices", json!({ "name": "sales" })).await.expect(201).str("/id");
    let (hook, id, _) = gw.webhook(&device, &["message.received"]).await;
    let path = format!("/v1/webhooks/{id}/test");
    let waiting =
        async |path: &str| Client::send(gw.api.request(reqwest::Method::POST, path).header("Prefer", "wait=20")).await;
    let good = waiting(&path).await.expect(200);
    assert_eq!(good.headers.get("preference-applied").map(String::as_str), Some("wait=20"));
    assert_eq!((&good.json["outcome"]["state"], &good.json["outcome"]["status"]), (&json!("delivered"), &json!(204)));
    assert!(good.json["outcome"]["duration_ms"].is_u64(), "{}", good.text);
    assert_eq!(hook.at_least(1).await[0].header("webhook-id"), good.str("/event"));

    hook.answer_next(&[500]);
    let refused = waiting(&path).await.expect(200);
    assert_eq!(
        (&refused.json["outcome"]["state"], &refused.json["outcome"]["status"]),
        (&json!("pending"), &json!(500))
    );
    let delivery = gw.api.get(&format!("/v1/deliveries/{}", refused.str("/delivery"))).await.expect(200);
    assert_eq!(delivery.json["attempt_log"][0]["status"], 500);
    // It is made again, as any delivery is.
    let all = hook.at_least(3).await;
    assert_eq!(all[2].header("webhook-id"), refused.str("/event"));

    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("a port");
    let body = json!({ "url": format!("http://{nobody}/hook"), "events": ["*"] });
    let id = gw.api.post("/v1/webhooks", body).await.expect(201).str("/id");
    let unreached = waiting(&format!("/v1/webhooks/{id}/test")).await.expect(200);
    assert_eq!(unreached.json["outcome"]["status"], json!(null), "{}", unreached.text);
    assert!(unreached.json["outcome"]["error"].is_string(), "{}", unreached.text);
    // Who does not ask to wait is answered at once.
    assert_eq!(gw.api.act(&path).await.expect(202).json["outcome"], json!(null));
}

async fn a_repaired_receiver_gets_what_waits_on_request(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.api.post("/v1/devices", json!({ "name": "sales" })).await.expect(201).str("/id");
    let (hook, id, _) = gw.webhook(&device, &["message.received"]).await;
    // Once at once, once after five seconds; the next try is five minutes away.
    hook.answer_next(&[500, 500]);
    gw.api.act(&format!("/v1/webhooks/{id}/test")).await.expect(202);
    gw.api.act(&format!("/v1/webhooks/{id}/test")).await.expect(202);
    let waiting = wait_until("two failures", || async {
        let list = gw.api.get(&format!("/v1/webhooks/{id}/deliveries?state=pending")).await;
        let items = list.json["items"].as_array().cloned().unwrap_or_default();
        let head = items.iter().find(|d| d["attempts"] == 2).cloned()?;
        let behind = items.iter().find(|d| d["attempts"] == 0).cloned()?;
        Some((head["id"].as_str()?.to_owned(), behind["id"].as_str()?.to_owned()))
    })
    .await;
    let refused = gw.api.act(&format!("/v1/deliveries/{}/replay", waiting.1)).await.expect(409);
    assert_eq!(refused.str("/code"), "delivery_not_replayable");
    gw.api.act(&format!("/v1/deliveries/{}/replay", waiting.0)).await.expect(202);
    hook.at_least(4).await;
}

async fn addresses_nobody_should_reach_are_refused(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    for url in [
        "http://10.0.0.1/",
        "http://169.254.169.254/latest",
        "http://[fd00::1]/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "nonsense",
    ] {
        let answer = gw.api.post("/v1/webhooks", json!({ "url": url, "events": ["*"] })).await.expect(400);
        assert_eq!(answer.str("/field"), "url", "{url}");
    }
    let filter = gw.api.post("/v1/webhooks", json!({ "url": "http://127.0.0.1:9/", "events": ["mesage.*"] })).await;
    assert_eq!(filter.expect(400).str("/field"), "events[0]");
    let format = json!({ "url": "http://127.0.0.1:9/", "events": ["*"], "format": "nothing" });
    assert_eq!(gw.api.post("/v1/webhooks", format).await.expect(400).str("/field"), "format");
}

async fn header_values_are_sent_and_never_shown(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let hook = portico_harness::Receiver::start().await;
    let body =
        json!({ "url": hook.url(), "events": ["device.*"], "headers": { "Authorization": "Bearer secret-word" } });
    let made = gw.api.post("/v1/webhooks", body).await.expect(201);
    let id = made.str("/id");
    let listed = gw.api.get("/v1/webhooks").await.expect(200).json;
    let found = gw.api.get(&format!("/v1/webhooks/{id}")).await.expect(200).json;
    assert_eq!(found["header_names"], json!(["Authorization"]));
    for shown in [&made.json, &listed, &found] {
        assert!(!shown.to_string().contains("secret-word"), "{shown}");
    }
    gw.api.act(&format!("/v1/webhooks/{id}/test")).await.expect(202);
    assert_eq!(hook.at_least(1).await[0].header("authorization"), "Bearer secret-word");
    for name in ["TE", "Upgrade", "Expect", "Trailer"] {
        let body = json!({ "url": hook.url(), "events": ["*"], "headers": { name: "x" } });
        assert_eq!(gw.api.post("/v1/webhooks", body).await.expect(400).str("/field"), format!("headers.{name}"));
    }
}

/// Receivers that take connections and never answer, on ports of their own. They end with the test.
async fn hanging(count: usize) -> Vec<String> {
    let mut urls = Vec::with_capacity(count);
    for _ in 0..count {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        urls.push(format!("http://{}/hook", listener.local_addr().expect("an address")));
        tokio::spawn(async move {
            let mut taken = Vec::new();
            while let Ok((connection, _)) = listener.accept().await {
                taken.push(connection);
            }
        });
    }
    urls
}

async fn receivers_that_hang_hold_up_no_third_tenant(kind: Kind) {
    // Long enough that whatever arrives has not waited for one of them to be given up.
    let patience = std::time::Duration::from_secs(600);
    let gw = TestGateway::start_with(kind, |config| {
        config.jobs.deliver.timeout = patience;
        config.jobs.deliver.lease = 2 * patience;
    })
    .await;
    let tenant = async |name: &str| {
        let made = gw.api.with_key(None).post("/v1/keys", json!({ "name": name })).await.expect(201);
        gw.api.with_key(Some(&made.str("/key")))
    };
    let subscribed = async |api: &Client, url: &str| {
        let new = json!({ "url": url, "events": ["message.received"] });
        api.post("/v1/webhooks", new).await.expect(201).str("/id")
    };
    for name in ["one", "two"] {
        let api = tenant(name).await;
        let urls = hanging(20).await;
        for n in 0..100 {
            let id = subscribed(&api, &urls[n % urls.len()]).await;
            api.act(&format!("/v1/webhooks/{id}/test")).await.expect(202);
        }
    }
    let (third, receiver) = (tenant("three").await, Receiver::start().await);
    let id = subscribed(&third, &receiver.url()).await;
    for count in 1..=10 {
        third.act(&format!("/v1/webhooks/{id}/test")).await.expect(202);
        receiver.at_least(count).await;
    }
    let health = gw.api.get("/health").await.expect(200);
    assert_eq!(health.json["status"], "ok", "{}", health.json);
}
