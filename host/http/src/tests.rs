//! The router as a whole, over a gateway whose database is down: what is decided before the core is asked. Whole paths are
//! tested against a real gateway elsewhere.

mod bodies;
pub(crate) mod fakes;
mod keys;

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use portico_core::id::DeviceId;
use portico_core::ports::plugins::{PluginResponse, RestRequest};
use serde_json::{Value, json};
use tower::ServiceExt;

use self::fakes::{api_with, caller};
use crate::config::{HttpConfig, Rate};

async fn send(config: HttpConfig, request: Request<Body>) -> Response {
    api_with(config).router().oneshot(request).await.unwrap()
}

async fn get(path: &str) -> Response {
    send(HttpConfig::default(), Request::get(path).body(Body::empty()).unwrap()).await
}

async fn body_of(response: Response) -> String {
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

async fn problem_of(response: Response) -> Value {
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let status = response.status().as_u16();
    let problem: Value = serde_json::from_str(&body_of(response).await).unwrap();
    assert_eq!((&problem["request_id"], &problem["status"]), (&json!(id), &json!(status)));
    problem
}

/// A request of the REST core in process, by a caller that may do everything.
async fn rest(method: &str, path: &str, body: &str) -> (u16, Value) {
    let request = RestRequest {
        method: method.to_owned(),
        path: path.to_owned(),
        headers: Vec::new(),
        body: body.as_bytes().to_vec(),
        peer: None,
    };
    let PluginResponse { status, body, .. } =
        api_with(HttpConfig::default()).rest().call(Some(caller()), request).await;
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

#[tokio::test]
async fn every_keyed_operation_asks_for_a_key() {
    let document: Value = serde_json::from_str(&crate::openapi_json()).unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if operation["security"] == json!([{}]) {
                continue;
            }
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let concrete = path.replace("{id}", "dev_x").replace("{message}", "msg_x");
            let given = if path == "/v1/keys" { "{\"name\": \"n\"}" } else { "{}" };
            let request = Request::builder().method(&method).uri(&concrete).body(Body::from(given)).unwrap();
            let response = send(HttpConfig::default(), request).await;
            assert_eq!(response.status(), 401, "{method} {path}");
            assert!(response.headers().contains_key("www-authenticate"));
            assert_eq!(problem_of(response).await["code"], "unauthenticated");
        }
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    assert_eq!(problem_of(get("/nothing/here").await).await["code"], "not_found");
    assert_eq!(problem_of(get("/v1/nothing").await).await["code"], "not_found");
    let put = Request::put("/v1/devices").body(Body::empty()).unwrap();
    let response = send(HttpConfig::default(), put).await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(response.headers()["allow"].to_str().unwrap().contains("POST"));
    assert_eq!(problem_of(response).await["code"], "method_not_allowed");
}

#[tokio::test]
async fn a_broken_store_is_unavailable_and_shows_in_health() {
    let request = Request::get("/v1/devices").header("authorization", "Bearer portico_x").body(Body::empty()).unwrap();
    let response = send(HttpConfig::default(), request).await;
    assert!(response.headers().contains_key("retry-after"));
    let problem = problem_of(response).await;
    assert_eq!((&problem["status"], &problem["code"]), (&json!(503), &json!("unavailable")));
    let health = get("/health").await;
    assert_eq!(health.status(), 200);
    let health: Value = serde_json::from_str(&body_of(health).await).unwrap();
    assert_eq!((&health["live"], &health["ready"], &health["status"]), (&json!(true), &json!(false), &json!("down")));
    assert_eq!(health["parts"][0]["name"], "store");
    assert!(health["uptime_s"].is_u64());
}

#[tokio::test]
async fn bodies_are_checked_before_the_core_is_asked() {
    for (path, body, status, field) in [
        ("/v1/devices", "{}", 400, json!("name")),
        ("/v1/devices", "{\"name\": \"a\", \"nmae\": 1}", 400, json!("nmae")),
        ("/v1/devices", "{\"name\"", 400, Value::Null),
        ("/v1/devices", "{\"name\": \"  \"}", 400, json!("name")),
        ("/v1/keys", "{\"name\": \"a\", \"scopes\": [\"all\"]}", 400, json!("scopes[0]")),
        ("/v1/webhooks", "{\"url\": \"https://example.com\", \"events\": \"*\"}", 400, json!("events")),
        ("/v1/devices/dev_x/messages", "{}", 404, Value::Null),
        (
            "/v1/webhooks/wh_00000000000000000000000000/replay",
            "{\"from\": \"now\", \"to\": \"later\"}",
            400,
            json!("from"),
        ),
        ("/v1/devices/dev_x/pairing-code", "{\"phone\": \"15550100002\"}", 404, Value::Null),
    ] {
        let (got, problem) = rest("POST", path, body).await;
        assert_eq!((got, &problem["field"]), (status, &field), "{path} {body}: {problem}");
    }
    let many = json!({ "url": "https://example.com", "events": vec!["*"; 250_000] }).to_string();
    let (status, problem) = rest("POST", "/v1/webhooks", &many).await;
    assert_eq!((status, &problem["field"]), (400, &json!("events")), "{problem}");
    let headers: Vec<_> = (0..21).map(|n| format!("\"x-{n}\": \"\"")).collect();
    let many =
        format!("{{\"url\": \"https://example.com\", \"events\": [\"*\"], \"headers\": {{{}}}}}", headers.join(","));
    let (status, problem) = rest("POST", "/v1/webhooks", &many).await;
    assert_eq!((status, &problem["field"]), (400, &json!("headers")), "{problem}");
    let (status, problem) = rest("GET", "/v1/devices?limit=0", "").await;
    assert_eq!((status, &problem["field"]), (400, &json!("limit")));
    let (status, problem) = rest("GET", "/v1/events?type=mesage.*", "").await;
    assert_eq!((status, &problem["field"]), (400, &json!("type")));
    let (status, problem) = rest("GET", &format!("/v1/events?type={}", "*,".repeat(51)), "").await;
    assert_eq!((status, &problem["field"]), (400, &json!("type")));
    let device = DeviceId::new(1, 1);
    let (status, problem) = rest("GET", &format!("/v1/devices/{device}/messages?chat=a%00b"), "").await;
    assert_eq!((status, &problem["field"]), (400, &json!("chat")));
    let (status, problem) = rest("GET", "/v1/devices?cursor=dev_%00", "").await;
    assert_eq!((status, &problem["field"]), (400, &json!("cursor")));
}

#[tokio::test]
async fn limits_of_body_and_type_hold() {
    let config = || HttpConfig { body_bytes_max: 16, ..HttpConfig::default() };
    let post = |kind: &str, body: &'static str| {
        Request::post("/echo/say").header("content-type", kind).body(Body::from(body)).unwrap()
    };
    let response = send(config(), post("application/json", "{\"name\": \"too long\"}")).await;
    assert_eq!(problem_of(response).await["code"], "too_large");
    let (status, problem) = {
        let headers = vec![("content-type".to_owned(), "text/plain".to_owned())];
        let (method, path) = ("POST".to_owned(), "/v1/devices".to_owned());
        let request = RestRequest { method, path, headers, body: b"name=a".to_vec(), peer: None };
        let answer = api_with(config()).rest().call(Some(caller()), request).await;
        (answer.status, serde_json::from_slice::<Value>(&answer.body).unwrap())
    };
    assert_eq!((status, &problem["code"]), (415, &json!("unsupported_media_type")));
}

#[tokio::test]
async fn in_process_calls_without_a_caller_are_strangers() {
    let request = RestRequest {
        method: "GET".to_owned(),
        path: "/v1/devices".to_owned(),
        headers: vec![("x-api-key".to_owned(), "portico_x".to_owned())],
        body: Vec::new(),
        peer: None,
    };
    let answer = api_with(HttpConfig::default()).rest().call(None, request).await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn a_request_id_is_taken_over_when_it_is_sane() {
    let with = async |id: &str| {
        let request = Request::get("/health").header("x-request-id", id).body(Body::empty()).unwrap();
        let response = send(HttpConfig::default(), request).await;
        response.headers()["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(with("abc-1.2_3").await, "abc-1.2_3");
    assert!(with("has blanks").await.starts_with("req_"));
    assert!(with(&"x".repeat(65)).await.starts_with("req_"));
}

#[tokio::test]
async fn requests_beyond_the_rate_are_refused_with_a_time() {
    let rate_anonymous = Some(Rate { per_minute: 1, burst: 2 });
    let router = api_with(HttpConfig { rate_anonymous, ..HttpConfig::default() }).router();
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let request = Request::get("/v1/devices").body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        statuses
            .push((response.status().as_u16(), response.headers()["ratelimit-remaining"].to_str().unwrap().to_owned()));
    }
    assert_eq!(statuses, [(401, "1".to_owned()), (401, "0".to_owned()), (429, "0".to_owned())]);
}

#[tokio::test]
async fn pages_are_served_with_a_strict_policy() {
    let config = HttpConfig { sandbox_banner: Some("Sandbox <only>".to_owned()), ..HttpConfig::default() };
    for path in ["/", "/docs", "/docs/problems", "/v1/devices/dev_x/qr?format=html"] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = send(config.clone(), request).await;
        assert_eq!(response.status(), 200, "{path}");
        let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        let html = body_of(response).await;
        assert!(html.contains("Sandbox &lt;only&gt;") && !html.contains("{{"), "{path}");
    }
    for file in ["portico.css", "docs.js", "qr.js"] {
        assert_eq!(get(&format!("/docs/assets/{file}")).await.status(), 200);
    }
    assert_eq!(get("/docs/assets/..%2fCargo.toml").await.status(), 404);
}

#[tokio::test]
async fn a_dialect_is_served_and_its_failures_are_gateway_errors() {
    let response = get("/d/echo/echo/say?a=b%20c").await;
    assert_eq!(response.status(), 200);
    let seen: Value = serde_json::from_str(&body_of(response).await).unwrap();
    assert_eq!(seen, json!({ "path": "/echo/say", "query": [["a", "b c"]], "caller": false }));
    let rooted: Value = serde_json::from_str(&body_of(get("/echo/x").await).await).unwrap();
    assert_eq!(rooted["path"], "/echo/x");
    assert_eq!(problem_of(get("/echo/trap").await).await["code"], "plugin_failed");
    let panicked = problem_of(get("/echo/panic").await).await;
    assert_eq!((&panicked["status"], &panicked["code"]), (&json!(500), &json!("internal")));
    let panicking_post = Request::post("/echo/panic").body(Body::empty()).unwrap();
    assert_eq!(send(HttpConfig::default(), panicking_post).await.status(), 500);
}

#[tokio::test]
async fn a_request_that_takes_too_long_ends_with_504() {
    let config = HttpConfig { request_timeout: std::time::Duration::from_millis(20), ..HttpConfig::default() };
    let response = send(config, Request::get("/echo/hang").body(Body::empty()).unwrap()).await;
    assert_eq!(problem_of(response).await["code"], "timeout");
}

#[tokio::test]
async fn the_second_listener_has_streams_and_health_only() {
    let router = api_with(HttpConfig::default()).ws_router();
    let status = async |path: &str| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        router.clone().oneshot(request).await.unwrap().status().as_u16()
    };
    assert_eq!(status("/health").await, 200);
    assert_eq!(status("/v1/events").await, 401);
    assert_eq!(status("/v1/devices").await, 404);
    assert_eq!(status("/echo/x").await, 404);
}
