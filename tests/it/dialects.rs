//! Dialects: files in their bodies, credentials of theirs, and who is served.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use portico_harness::{Client, Config, Kind, TestGateway};
use reqwest::Method;
use serde_json::json;

use crate::media::{arrived, png};

on_both! {
    a_file_in_a_form_goes_out_by_its_id
    a_file_in_base64_is_kept_as_it_was
    keys_of_two_tenants_get_nobody_in
    pages_of_an_opened_origin_may_call_and_others_may_not
    public_routes_are_served_as_the_offer_says
}

/// A gateway with a dialect that is on for the administrator's tenant alone.
async fn with_dialect(kind: Kind, id: &str) -> TestGateway {
    let gw = TestGateway::start(kind).await;
    gw.api.patch(&format!("/v1/plugins/{id}/offer"), json!({ "default_state": "off" })).await.expect(200);
    gw.api.put(&format!("/v1/plugins/{id}/enablement"), json!({ "state": "on" })).await.expect(200);
    gw
}

/// A request with the administrator's key in headers of a dialect.
fn request(gw: &TestGateway, method: Method, path: &str, headers: &[&str]) -> reqwest::RequestBuilder {
    let request = gw.api.with_key(None).request(method, path);
    headers.iter().fold(request, |request, name| request.header(*name, &gw.key))
}

async fn a_file_in_a_form_goes_out_by_its_id(kind: Kind) {
    let gw = with_dialect(kind, "dialect-devices").await;
    let token = ["x-api-token"];
    let new = json!({ "userId": "shop", "alias": "front" });
    let made = Client::send(request(&gw, Method::POST, "/api/whatsapp/devices", &token).json(&new)).await;
    assert!(matches!(made.status, 200 | 201), "{}", made.json);
    let device = gw.api.get("/v1/devices").await.expect(200).str("/items/0/id");
    gw.pair(&device, &gw.phone()).await;

    // Larger than anything that a request to a plugin may hold in memory.
    let picture = png(1_500, 1_500);
    assert!(picture.len() > 1 << 20, "{}", picture.len());
    let head = "--border\r\nContent-Disposition: form-data; name=\"file\"; filename=\"pier.png\"\r\nContent-Type: image/png\r\n\r\n";
    let tail = "\r\n--border\r\nContent-Disposition: form-data; name=\"userId\"\r\n\r\nshop\r\n--border--\r\n";
    let body = [head.as_bytes(), &picture, tail.as_bytes()].concat();
    let upload = request(&gw, Method::POST, "/api/whatsapp/files/upload", &token)
        .header("content-type", "multipart/form-data; boundary=border");
    let kept = Client::send(upload.body(body)).await.expect(200);
    assert_eq!(kept.json["data"]["size"], picture.len());

    let customer = gw.phone();
    let message = json!({ "sessionId": "user_shop_device_front", "phoneNumber": format!("+{}", customer.number()),
        "fileId": kept.str("/data/fileId"), "caption": "The pier" });
    Client::send(request(&gw, Method::POST, "/api/whatsapp/send/image", &token).json(&message)).await.expect(200);
    let entry = arrived(&customer, 0, "image").await;
    assert_eq!(entry.text.as_deref(), Some("The pier"));
    assert!(customer.download(&entry.id).await.expect("the picture") == picture, "byte for byte");

    let form = request(&gw, Method::POST, "/api/whatsapp/send", &token)
        .header("content-type", "multipart/form-data; boundary=border");
    let refused = Client::send(form.body("--border--\r\n")).await.expect(400);
    assert_eq!(refused.json["success"], false, "in the words of the API: {}", refused.json);
}

async fn a_file_in_base64_is_kept_as_it_was(kind: Kind) {
    let gw = with_dialect(kind, "dialect-organizations").await;
    let picture = png(1_200, 1_200);
    let body = json!({ "file": BASE64_STANDARD.encode(&picture) });
    let kept = Client::send(request(&gw, Method::POST, "/api/media/upload", &["x-api-key"]).json(&body)).await;
    let id = kept.expect(201).str("/media/id");
    let content = request(&gw, Method::GET, &format!("/api/media/{id}/download"), &["x-api-key"]);
    let answer = content.send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert!(answer.bytes().await.expect("a body") == picture, "byte for byte");
    let broken = json!({ "file": "not base64!" });
    Client::send(request(&gw, Method::POST, "/api/media/upload", &["x-api-key"]).json(&broken)).await.expect(400);
}

async fn keys_of_two_tenants_get_nobody_in(kind: Kind) {
    let gw = with_dialect(kind, "dialect-devices").await;
    let made = gw.api.with_key(None).post("/v1/keys", json!({ "name": "other" })).await.expect(201);
    let path = "/api/whatsapp/devices/1";
    let both = request(&gw, Method::GET, path, &["x-api-token"]).header("x-admin-token", made.str("/key"));
    // The route reads one of the two only.
    Client::send(both).await.expect(404);
    let both = request(&gw, Method::GET, "/api/whatsapp/admin/ai/providers", &["x-api-token"])
        .header("x-admin-token", made.str("/key"));
    let refused = Client::send(both).await;
    assert!(matches!(refused.status, 401 | 403), "{}", refused.json);
    Client::send(request(&gw, Method::GET, path, &[])).await.expect(401);
    // Off for the other tenant: there is nothing at the path.
    let other = gw.api.with_key(None).request(Method::GET, path).header("x-api-token", made.str("/key"));
    Client::send(other).await.expect(404);
}

async fn pages_of_an_opened_origin_may_call_and_others_may_not(kind: Kind) {
    const APP: &str = "https://app.example.com";
    let opened = format!("accounts={APP}");
    let change = |config: &mut Config| config.server.http.dialect_cors = vec![opened.try_into().expect("an origin")];
    let gw = TestGateway::start_with(kind, change).await;
    let preflight = async |origin: &str, path: &str| {
        let request = gw.api.with_key(None).request(Method::OPTIONS, path).header("origin", origin);
        let asked = request.header("access-control-request-method", "GET").send().await.expect("an answer");
        let header = |name: &str| Some(asked.headers().get(name)?.to_str().expect("text").to_owned());
        (header("access-control-allow-origin"), header("access-control-allow-headers").unwrap_or_default())
    };
    let (origin, headers) = preflight(APP, "/d/accounts/api/auth/profile").await;
    assert_eq!(origin.as_deref(), Some(APP));
    assert!(headers.contains("x-api-key") && headers.contains("content-type"), "{headers}");
    assert_eq!(preflight("https://other.example.com", "/d/accounts/api/auth/profile").await.0, None);
    assert_eq!(preflight(APP, "/d/instances/api/instance").await.0, None, "another dialect");
    let asked = gw.api.with_key(None).request(Method::GET, "/d/accounts/api/health").header("origin", APP);
    let answer = asked.send().await.expect("an answer");
    assert_eq!(answer.headers()["access-control-allow-origin"], APP);
    assert!(answer.headers().get("access-control-allow-credentials").is_none(), "cookies are never asked for");
}

async fn public_routes_are_served_as_the_offer_says(kind: Kind) {
    let gw = with_dialect(kind, "dialect-accounts").await;
    let health = async || gw.api.with_key(None).get("/d/accounts/api/health").await.status;
    assert_eq!(health().await, 404, "off for all who did not decide, and nobody knows who this is");
    let public = |state: &str| json!({ "public_routes": state });
    gw.api.patch("/v1/plugins/dialect-accounts/offer", public("on")).await.expect(200);
    assert_eq!(health().await, 200);
    let none = json!({ "public_routes": null, "default_state": "on" });
    assert_eq!(
        gw.api.patch("/v1/plugins/dialect-accounts/offer", none).await.expect(200).json["public_routes"],
        json!(null)
    );
    assert_eq!(health().await, 200);
    gw.api.patch("/v1/plugins/dialect-accounts/offer", public("off")).await.expect(200);
    assert_eq!(health().await, 404);
    // Who comes with a key is known, and answered in the words of the API.
    let known = request(&gw, Method::GET, "/d/accounts/api/webhooks/nobody", &["x-api-key"]);
    assert_eq!(Client::send(known).await.json["success"], false);
}
