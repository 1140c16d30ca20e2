//! Requests as clients of this API make them, against a REST core that is a list of expected requests.

use std::cell::RefCell;
use std::collections::VecDeque;

use portico_sdk::bindings::portico::plugin::rest;
use portico_sdk::http::Transport;
use serde_json::{Value, json};

use super::*;

const DEVICE: &str = "dev_00000000000000000000000011";
const INSTANCE: &str = "00000000-0000-0000-0000-000000000021";

/// Expects requests in order and answers each.
struct Script(RefCell<VecDeque<(&'static str, Value, u16, Value)>>);

impl Transport for Script {
    fn call(&self, request: rest::Request) -> Result<rest::Response, rest::RestError> {
        let (line, body, status, answer) = self.0.borrow_mut().pop_front().expect("one request more than expected");
        assert_eq!(format!("{} {}", request.method, request.path), line);
        let sent =
            if request.body.is_empty() { Value::Null } else { serde_json::from_slice(&request.body).expect("JSON") };
        assert_eq!(sent, body, "{line}");
        Ok(rest::Response { status, headers: Vec::new(), body: answer.to_string().into_bytes() })
    }
}

fn call(request: &Request, script: Vec<(&'static str, Value, u16, Value)>) -> (u16, Value) {
    let script = Script(RefCell::new(script.into()));
    let answer = serve(request, &Gateway::new(&script)).unwrap_or_else(Refusal::into_response);
    assert!(script.0.borrow().is_empty(), "fewer requests than expected");
    (answer.status, serde_json::from_slice(&answer.body).expect("JSON"))
}

fn device(state: &str) -> Value {
    json!({ "id": DEVICE, "name": "Shop", "state": state, "created_at": "2026-01-01T00:00:00.000Z" })
}

#[test]
fn a_key_is_a_uuid_with_two_permissions() {
    let mut request = Request::for_tests("POST", "/api/auth/generate-key", Some(&json!({ "name": "My API Key" })));
    request.caller = "anonymous".into();
    let key = json!({ "id": "key_1", "name": "My API Key", "key": "ecad2deb-e9e5-4215-ac6c-e5a5e80fa8ab",
        "scopes": ["devices:read", "devices:write"], "created_at": "2026-01-01T00:00:00.000Z" });
    let (status, body) =
        call(&request, vec![("POST /v1/keys", json!({ "name": "My API Key", "format": "uuid" }), 201, key)]);
    assert_eq!(status, 200);
    assert_eq!(body["data"]["apiKey"], "ecad2deb-e9e5-4215-ac6c-e5a5e80fa8ab");
    assert_eq!(body["data"]["permissions"], json!(["read", "write"]));
}

#[test]
fn creating_makes_a_device_and_its_webhook() {
    let body = json!({ "name": "Shop", "webhookUrl": "https://example.test/hook" });
    let hook =
        json!({ "device": DEVICE, "url": "https://example.test/hook", "events": ["*"], "format": "dialect-instances" });
    let (status, body) = call(
        &Request::for_tests("POST", "/api/instance/create", Some(&body)),
        vec![
            ("POST /v1/devices", json!({ "name": "Shop" }), 201, device("created")),
            ("POST /v1/webhooks", hook, 201, json!({ "id": "wh_1" })),
        ],
    );
    assert_eq!(status, 200);
    let expected = json!({ "success": true, "message": "Instance created successfully. Please scan the QR code.",
        "data": { "id": INSTANCE, "name": "Shop", "webhookUrl": "https://example.test/hook", "status": "disconnected",
            "createdAt": "2026-01-01T00:00:00.000Z" } });
    assert_eq!(body, expected);
}

#[test]
fn a_refused_webhook_takes_the_device_back() {
    let body = json!({ "name": "Shop", "webhookUrl": "ftp://example.test" });
    let hook = json!({ "device": DEVICE, "url": "ftp://example.test", "events": ["*"], "format": "dialect-instances" });
    let problem = json!({ "code": "invalid_request", "detail": "`url`: must be https" });
    let (status, body) = call(
        &Request::for_tests("POST", "/api/instance/create", Some(&body)),
        vec![
            ("POST /v1/devices", json!({ "name": "Shop" }), 201, device("created")),
            ("POST /v1/webhooks", hook, 422, problem),
            ("DELETE /v1/devices/dev_00000000000000000000000011", Value::Null, 204, Value::Null),
        ],
    );
    assert_eq!((status, &body["success"]), (400, &json!(false)));
    assert_eq!(body["details"], "`url`: must be https");
}

#[test]
fn the_list_goes_over_all_pages() {
    let hooks = json!({ "items": [{ "device": DEVICE, "url": "https://a.test", "format": "dialect-instances" },
        { "device": "dev_00000000000000000000000012", "url": "https://b.test", "format": "webhook-format" }] });
    let mut other = device("connected");
    other["id"] = json!("dev_00000000000000000000000012");
    other["jid"] = json!("15550100001:7@s.whatsapp.net");
    let (status, body) = call(
        &Request::for_tests("GET", "/api/instance", None),
        vec![
            ("GET /v1/webhooks?limit=200", Value::Null, 200, hooks),
            ("GET /v1/devices?limit=200", Value::Null, 200, json!({ "items": [device("pairing")], "next": "a=b" })),
            ("GET /v1/devices?limit=200&cursor=a%3Db", Value::Null, 200, json!({ "items": [other] })),
        ],
    );
    assert_eq!(status, 200);
    let seen: Vec<_> =
        body["data"].as_array().expect("a list").iter().map(|i| (&i["status"], &i["webhookUrl"])).collect();
    assert_eq!(seen, [(&json!("connecting"), &json!("https://a.test")), (&json!("connected"), &Value::Null)]);
    assert_eq!(body["data"][1]["phoneNumber"], "15550100001");
}

#[test]
fn asking_for_the_qr_code_starts_the_session() {
    let qr = json!({ "text": "2@abc", "png": "data:image/png;base64,AA==", "expires_at": "2026-01-01T00:01:00.000Z" });
    let (status, body) = call(
        &Request::for_tests("GET", &format!("/api/instance/{INSTANCE}/qr"), None),
        vec![
            ("GET /v1/devices/dev_00000000000000000000000011", Value::Null, 200, device("created")),
            ("POST /v1/devices/dev_00000000000000000000000011/connect", Value::Null, 202, device("connecting")),
            ("GET /v1/devices/dev_00000000000000000000000011/qr?wait=10", Value::Null, 200, qr),
        ],
    );
    assert_eq!(status, 200);
    let expected = json!({ "instanceId": INSTANCE, "qr": "2@abc", "qrCode": "data:image/png;base64,AA==",
        "status": "connecting", "expiresAt": "2026-01-01T00:01:00.000Z" });
    assert_eq!(body["data"], expected);
}

#[test]
fn a_qr_code_that_is_not_there_yet_is_no_error() {
    let problem = json!({ "code": "busy", "detail": "wait" });
    let (status, body) = call(
        &Request::for_tests("GET", &format!("/api/instance/{INSTANCE}/qr"), None),
        vec![
            ("GET /v1/devices/dev_00000000000000000000000011", Value::Null, 200, device("connecting")),
            ("GET /v1/devices/dev_00000000000000000000000011/qr?wait=10", Value::Null, 429, problem),
        ],
    );
    assert_eq!((status, &body["data"]["qr"]), (200, &Value::Null));
    let connected = vec![("GET /v1/devices/dev_00000000000000000000000011", Value::Null, 200, device("connected"))];
    let request = Request::for_tests("GET", &format!("/api/instance/{INSTANCE}/qr"), None);
    assert_eq!(call(&request, connected).0, 400);
}

#[test]
fn a_text_goes_out() {
    let body = json!({ "instanceId": INSTANCE, "to": "15550100002@s.whatsapp.net", "message": "Hello World!" });
    let sent = json!({ "id": "msg_1", "whatsapp_id": "3EB0", "status": "queued", "chat": { "id": "15550100002@s.whatsapp.net" } });
    let (status, body) = call(
        &Request::for_tests("POST", "/api/message/send/text", Some(&body)),
        vec![(
            "POST /v1/devices/dev_00000000000000000000000011/messages",
            json!({ "to": "15550100002@s.whatsapp.net", "content": { "type": "text", "text": "Hello World!" } }),
            202,
            sent,
        )],
    );
    assert_eq!((status, &body["data"]["messageId"]), (200, &json!("3EB0")));
}

#[test]
fn state_changes_answer_with_the_status() {
    for (method, path, line, state, status) in [
        ("POST", "restart", "POST /v1/devices/dev_00000000000000000000000011/restart", "connecting", "connecting"),
        ("POST", "logout", "POST /v1/devices/dev_00000000000000000000000011/logout", "logged_out", "disconnected"),
        ("GET", "status", "GET /v1/devices/dev_00000000000000000000000011", "connected", "connected"),
    ] {
        let request = Request::for_tests(method, &format!("/api/instance/{INSTANCE}/{path}"), None);
        let (code, body) = call(&request, vec![(line, Value::Null, 200, device(state))]);
        assert_eq!((code, &body["data"]["status"]), (200, &json!(status)), "{path}");
    }
}

#[test]
fn what_is_not_there_is_told_apart() {
    let get = |path: &str| call(&Request::for_tests("GET", path, None), Vec::new()).0;
    assert_eq!(get("/api/instance/no-such-instance/status"), 404);
    assert_eq!(get("/api/nothing"), 404);
    assert_eq!(get(&format!("/api/groups/{INSTANCE}")), 501);
    let missing = Request::for_tests("POST", "/api/instance/create", Some(&json!({})));
    assert_eq!(call(&missing, Vec::new()).0, 400);
}

#[test]
fn every_documented_endpoint_but_the_public_one_wants_a_key() {
    for (method, path) in
        documented::NOT_SERVED.iter().copied().chain([("GET", "/api/instance"), ("POST", "/api/message/send/text")])
    {
        let mut request = Request::for_tests(method, path, None);
        request.caller = "anonymous".into();
        let (status, body) = call(&request, Vec::new());
        assert_eq!((status, &body["success"]), (401, &json!(false)), "{method} {path}");
    }
}
