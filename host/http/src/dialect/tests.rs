use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request};
use portico_core::ports::Clock;
use portico_core::ports::plugins::{Hook, Limit, LimitBy, LimitHeaders, Mount, PluginInfo, Route};
use portico_core::time::UtcMs;
use serde_json::json;
use tower::ServiceExt;

use super::limits::{announced, tighter};
use super::table::{Found, Match};
use super::*;
use crate::HttpConfig;
use crate::config::{CorsOrigin, DialectLimits};
use crate::tests::fakes::api_with;

fn route(method: &str, path: &str) -> Route {
    Route {
        method: method.to_owned(),
        path: path.to_owned(),
        auth: Vec::new(),
        limits: vec!["few".to_owned()],
        body_bytes_max: None,
        uploads: Vec::new(),
        multipart: false,
        page: false,
    }
}

fn dialect(name: &str, root: &[&str], routes: &[(&str, &str)]) -> PluginInfo {
    let limit = |name: &str, count, by| Limit {
        name: name.to_owned(),
        count,
        window: Duration::from_secs(60),
        by,
        headers: LimitHeaders::XRateLimit,
    };
    PluginInfo {
        id: format!("dialect-{name}"),
        version: "1.0.0".to_owned(),
        name: name.to_owned(),
        digest: String::new(),
        hooks: vec![Hook::HttpHandler],
        mount: Some(Mount {
            name: name.to_owned(),
            root: root.iter().map(|p| (*p).to_owned()).collect(),
            limits: vec![limit("few", 2, LimitBy::Address)],
        }),
        routes: routes.iter().map(|(method, path)| route(method, path)).collect(),
        sockets: Arc::new([]),
        grants: Vec::new(),
    }
}

fn table() -> Arc<Table> {
    let mut silent = dialect("silent", &["/silent"], &[("GET", "/silent")]);
    silent.hooks.clear();
    let mut locked = dialect("c", &[], &[("GET", "/locked")]);
    locked.routes = Arc::new([Route { auth: vec![vec!["x-key".to_owned()]], ..route("GET", "/locked") }]);
    let plugins: Arc<[PluginInfo]> = Arc::new([
        dialect("a", &["/api", "/v1"], &[("POST", "/api/register"), ("GET", "/api/{x}/qr"), ("GET", "/v1/devices")]),
        dialect("b", &["/api/b"], &[("POST", "/api/register"), ("GET", "/api/b/{id}"), ("DELETE", "/api/b/{it}")]),
        silent,
        locked,
    ]);
    Tables::default().of(&plugins)
}

fn find(method: Method, path: &str) -> Option<Match> {
    table().find(&method, path).map(|Found { matched, .. }| matched)
}

fn claims(matched: Option<Match>) -> Vec<(usize, usize, Vec<String>)> {
    let Some(Match::Routes(claims)) = matched else { panic!("no routes: {matched:?}") };
    claims.into_iter().map(|claim| (claim.plugin, claim.route, claim.params)).collect()
}

#[test]
fn a_path_that_two_plugins_claim_is_offered_to_both_in_order() {
    assert_eq!(claims(find(Method::POST, "/api/register")), [(0, 0, vec![]), (1, 0, vec![])]);
    assert_eq!(claims(find(Method::POST, "/d/b/api/register")), [(1, 0, vec![])]);
}

#[test]
fn parameters_are_decoded_and_routes_of_one_path_differ_by_method() {
    assert_eq!(claims(find(Method::GET, "/api/a%20b/qr")), [(0, 1, vec!["a b".to_owned()])]);
    assert_eq!(claims(find(Method::DELETE, "/api/b/7")), [(1, 2, vec!["7".to_owned()])]);
    assert_eq!(claims(find(Method::HEAD, "/api/b/7")), [(1, 1, vec!["7".to_owned()])]);
    assert_eq!(claims(find(Method::GET, "/api/b/7/")), [(1, 1, vec!["7".to_owned()])]);
    assert_eq!(find(Method::GET, "/api/%ff/qr"), Some(Match::Nothing { plugin: 0 }), "no text");
}

#[test]
fn what_has_no_route_belongs_to_the_longest_prefix() {
    assert_eq!(find(Method::GET, "/api/other"), Some(Match::Nothing { plugin: 0 }));
    assert_eq!(find(Method::GET, "/api/b/x/y"), Some(Match::Nothing { plugin: 1 }));
    assert_eq!(find(Method::GET, "/apis"), None);
    assert_eq!(find(Method::PUT, "/api/register"), Some(Match::OtherMethods { plugin: 0 }));
}

#[test]
fn native_paths_cannot_be_taken_and_a_plugin_without_the_hook_serves_nothing() {
    for path in ["/v1/devices", "/v1", "/health", "/metrics", "/docs/x", "/d", "/d/unknown/x", "/silent", "/d/silent/x"]
    {
        assert_eq!(find(Method::GET, path), None, "{path}");
    }
}

#[test]
fn credentials_of_any_plugin_stay_with_the_host() {
    let mut headers = HeaderMap::new();
    for name in ["authorization", "x-key", "x-api-key", "cookie", "x-custom"] {
        headers.insert(name, HeaderValue::from_static("value"));
    }
    assert_eq!(shown(&headers, &table()), [("x-custom".to_owned(), "value".to_owned())]);
}

#[derive(Debug)]
struct At(std::sync::Mutex<i64>);

impl Clock for At {
    fn now(&self) -> UtcMs {
        UtcMs(*self.0.lock().unwrap())
    }
}

#[test]
fn a_declared_limit_holds_for_its_window_and_tells_what_is_left() {
    let clock = Arc::new(At(std::sync::Mutex::new(1_000_000)));
    let windows = |scale| Windows::new(scale, 10, Arc::clone(&clock) as Arc<dyn Clock>);
    let (declared, raised) = (windows(DialectLimits::Declared), windows(DialectLimits::Raised));
    let table = table();
    let Some(Match::Routes(claims)) = find(Method::POST, "/api/register") else { panic!("routes") };
    let from = |text: &str| Some(text.parse().unwrap());
    let count = |windows: &Windows, at: &str| windows.by_address(&table, &claims, from(at)).expect("counted");
    assert!(!count(&declared, "192.0.2.1").is_spent() && !count(&declared, "192.0.2.1").is_spent());
    let third = count(&declared, "192.0.2.1");
    assert!(third.is_spent() && !count(&declared, "192.0.2.2").is_spent());
    let answer = announced(Response::new(Body::empty()), Some(&third));
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"].map(header), ["2", "0", "1060"]);
    *clock.0.lock().unwrap() += 60_000;
    assert!(!count(&declared, "192.0.2.1").is_spent(), "a new window");
    for _ in 0..100 {
        assert!(!count(&raised, "192.0.2.1").is_spent());
    }
    assert!(tighter(Some(third), None).is_some_and(|left| left.is_spent()));
}

#[tokio::test]
async fn the_host_refuses_in_the_words_of_the_api() {
    let send = async |method: &str, path: &str| {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let response = api_with(HttpConfig::default()).router().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice::<serde_json::Value>(&body).unwrap())
    };
    let missing = json!({ "echo": "unauthenticated", "missing": ["x-echo-key"] });
    assert_eq!(send("GET", "/echo/locked/x").await, (401, missing));
    assert_eq!(send("GET", "/echo/no/such/thing").await, (404, json!({ "echo": "not_found", "missing": [] })));
    assert_eq!(send("PUT", "/echo/say").await, (405, json!({ "echo": "method_not_allowed", "missing": [] })));
}

#[test]
fn only_pages_of_an_opened_mount_are_told_that_they_may_call_it() {
    let opened: Vec<CorsOrigin> =
        ["a=https://app.example.com", "c=*"].into_iter().map(|text| text.to_owned().try_into().unwrap()).collect();
    let asked = |opened: &[CorsOrigin], path: &str, origin: &str, method: &str| {
        let request = Request::options(path).header("origin", origin).header("access-control-request-method", method);
        let response = cors::preflight(opened, &table(), &request.body(Body::empty()).unwrap())?;
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        Some((header("access-control-allow-origin"), header("access-control-allow-headers")))
    };
    let app = "https://app.example.com";
    let (origin, headers) = asked(&opened, "/api/7/qr", app, "GET").expect("open to it");
    assert_eq!((origin.as_str(), headers.contains("content-type")), (app, true));
    assert!(asked(&opened, "/d/c/locked", "https://any.example", "GET").expect("open to all").1.contains("x-key"));
    for (path, origin, method) in [
        ("/api/7/qr", "https://other.example.com", "GET"),
        ("/api/7/qr", app, "POST"),
        ("/api/b/1", app, "DELETE"),
        ("/nothing", app, "GET"),
    ] {
        assert_eq!(asked(&opened, path, origin, method), None, "{method} {path} from {origin}");
    }
    assert_eq!(asked(&[], "/api/7/qr", app, "GET"), None, "off unless it is set");
    for wrong in ["", "a", "a=", "=*", "a=app.example.com", "a=https://x/y", "a=https://x\r\ny: z"] {
        assert!(CorsOrigin::try_from(wrong.to_owned()).is_err(), "{wrong}");
    }
}
