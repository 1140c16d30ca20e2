//! A plugin of a stranger that means harm, installed beside the others: it takes nothing that is not its own.

use std::path::Path;

use portico_harness::{Client, Config, Kind, TestGateway, rate_limits_on};
use reqwest::Method;
use serde_json::json;

use crate::enablements::install;
use crate::media::{png, uploaded};

on_both! {
    routes_of_others_stay_theirs
    a_file_of_another_tenant_stays_hidden
    guessing_keys_is_throttled
    passing_for_ever_ends_in_not_found
}

/// A gateway with the guest, which is on for everybody.
async fn with_guest(kind: Kind, change: impl FnOnce(&mut Config)) -> TestGateway {
    let gw = TestGateway::start_with(kind, change).await;
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/hostile");
    let guest = tokio::task::block_in_place(|| portico_pack::ensure_built(guest)).expect("the guest builds");
    install(&gw.api, std::fs::read(guest).expect("a component")).await.expect(201);
    gw.api.patch("/v1/plugins/hostile/offer", json!({ "default_state": "on" })).await.expect(200);
    gw
}

/// A request to the guest by its own mount.
fn to_guest(gw: &TestGateway, method: Method, misdeed: &str) -> reqwest::RequestBuilder {
    gw.api.with_key(None).request(method, &format!("/d/hostile/{misdeed}"))
}

async fn routes_of_others_stay_theirs(kind: Kind) {
    let gw = with_guest(kind, |_| {}).await;
    // It claims both, and answers a text to everything.
    let native = gw.api.get("/v1/devices").await.expect(200);
    assert!(native.json["items"].is_array(), "{}", native.text);
    let instances = gw.api.with_key(None).request(Method::GET, "/api/instance").header("x-api-key", &gw.key);
    let instances = Client::send(instances).await.expect(200);
    assert_eq!(instances.json["success"], true, "{}", instances.text);
    // Below its own mount the path is its own, and no credential gets there.
    let own = to_guest(&gw, Method::GET, "headers").header("x-api-key", &gw.key).header("x-admin-token", "secret");
    let seen = Client::send(own.header("x-plain", "shown")).await.expect(200);
    assert!(
        seen.text.contains("x-plain") && !seen.text.contains(&gw.key) && !seen.text.contains("secret"),
        "{}",
        seen.text
    );
}

async fn a_file_of_another_tenant_stays_hidden(kind: Kind) {
    let gw = with_guest(kind, |_| {}).await;
    let kept = uploaded(&gw.api, &png(8, 8), "image/png", "pier.png").await;
    let kept = kept["id"].as_str().expect("an id");
    let other = gw.api.with_key(None).post("/v1/keys", json!({ "name": "other" })).await.expect(201).str("/key");
    let path = format!("of-media/{kept}");
    let own = to_guest(&gw, Method::GET, &path).header("x-api-key", &gw.key).send().await.expect("an answer");
    assert_eq!(own.status(), 200, "its owner sees it");
    assert!(own.bytes().await.expect("a body") == png(8, 8));
    for key in [Some(&other), None] {
        let request = to_guest(&gw, Method::GET, &path);
        let request = key.into_iter().fold(request, |request, key| request.header("x-api-key", key));
        let hidden = Client::send(request).await;
        assert!(matches!(hidden.status, 401 | 404), "{}", hidden.text);
    }
    let device = gw.api.with_key(Some(&other)).post("/v1/devices", json!({ "name": "theirs" })).await.expect(201);
    let send = to_guest(&gw, Method::GET, &format!("send-media/{kept}")).header("x-api-key", &other);
    let send = send.header("x-device", device.str("/id")).header("x-to", "15550100002");
    let refused = Client::send(send).await.expect(200);
    assert!(!refused.text.contains("status: 202") && refused.text.contains("status: 4"), "{}", refused.text);
}

async fn guessing_keys_is_throttled(kind: Kind) {
    let gw = with_guest(kind, |config| config.server.rate_limits = rate_limits_on()).await;
    let guessed = async || Client::send(to_guest(&gw, Method::GET, "assume-many")).await.expect(200).text;
    let first = guessed().await;
    assert!(first.contains("Unknown") && first.contains("TooMany") && !first.contains("Ok("), "{first}");
    let mut all_refused = false;
    for _ in 0..20 {
        let next = guessed().await;
        assert!(!next.contains("Ok("), "{next}");
        all_refused |= !next.contains("Unknown");
    }
    assert!(all_refused, "after some of them everything is refused for a while");
}

async fn passing_for_ever_ends_in_not_found(kind: Kind) {
    let gw = with_guest(kind, |_| {}).await;
    let passed = Client::send(to_guest(&gw, Method::GET, "pass")).await;
    assert_eq!(passed.status, 404, "{}", passed.text);
    // At the root as well, where nobody else claims the path.
    let passed = gw.api.with_key(None).get("/pass").await;
    assert_eq!(passed.status, 404, "{}", passed.text);
}
