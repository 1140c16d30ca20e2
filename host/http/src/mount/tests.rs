use super::*;

fn dialect(id: &str, root: &[&str]) -> PluginInfo {
    PluginInfo {
        id: id.to_owned(),
        version: "1.0.0".to_owned(),
        name: id.to_owned(),
        digest: String::new(),
        hooks: vec![Hook::HttpHandler],
        mount: Some(Mount {
            name: id.trim_start_matches("dialect-").to_owned(),
            root: root.iter().map(|p| (*p).to_owned()).collect(),
            key_header: "x-key".to_owned(),
        }),
        grants: Vec::new(),
    }
}

fn installed() -> Vec<PluginInfo> {
    let mut silent = dialect("dialect-silent", &["/silent"]);
    silent.hooks.clear();
    vec![
        dialect("dialect-a", &["/api", "/v1", "/health"]),
        dialect("dialect-b", &["/api/instance", "/shared"]),
        dialect("dialect-c", &["/shared/", "/api/instance/deep"]),
        silent,
    ]
}

fn at(path: &str) -> Option<(String, String)> {
    find(&installed(), path).map(|f| (f.plugin, f.path))
}

fn served(plugin: &str, path: &str) -> Option<(String, String)> {
    Some((plugin.to_owned(), path.to_owned()))
}

#[test]
fn the_longest_prefix_wins_by_whole_segments() {
    assert_eq!(at("/api/other"), served("dialect-a", "/api/other"));
    assert_eq!(at("/api/instance"), served("dialect-b", "/api/instance"));
    assert_eq!(at("/api/instance/create"), served("dialect-b", "/api/instance/create"));
    assert_eq!(at("/api/instances"), served("dialect-a", "/api/instances"));
    assert_eq!(at("/api/instance/deep/x"), served("dialect-c", "/api/instance/deep/x"));
    assert_eq!(at("/apis"), None);
}

#[test]
fn of_equal_prefixes_the_first_plugin_has_it() {
    assert_eq!(at("/shared/x"), served("dialect-b", "/shared/x"));
}

#[test]
fn every_dialect_has_a_place_of_its_own() {
    assert_eq!(at("/d/b/api/instance/create"), served("dialect-b", "/api/instance/create"));
    assert_eq!(at("/d/b"), served("dialect-b", "/"));
    assert_eq!(at("/d/unknown/x"), None);
}

#[test]
fn native_paths_cannot_be_taken() {
    for path in ["/v1", "/v1/unknown", "/health", "/health/x", "/metrics", "/docs/x", "/d"] {
        assert_eq!(at(path), None, "{path}");
    }
    assert_eq!(at("/v10"), None);
}

#[test]
fn a_plugin_without_the_hook_serves_nothing() {
    assert_eq!(at("/silent/x"), None);
    assert_eq!(at("/d/silent/x"), None);
}

#[test]
fn credentials_stay_with_the_host() {
    let mut headers = HeaderMap::new();
    for name in ["authorization", "x-key", "x-api-key", "cookie", "x-custom"] {
        headers.insert(name, HeaderValue::from_static("value"));
    }
    assert_eq!(shown(&headers, "x-key"), [("x-custom".to_owned(), "value".to_owned())]);
}

#[test]
fn an_answer_is_filtered_and_boxed_in() {
    let header = |name: &str| (name.to_owned(), "x".to_owned());
    let headers =
        ["X-RateLimit-Limit", "Set-Cookie", "Content-Length", "connection", "content-type"].map(header).to_vec();
    let response = answered(PluginResponse { status: 201, headers, body: b"{}".to_vec() }).unwrap();
    assert_eq!(response.status(), 201);
    assert!(response.headers().contains_key("x-ratelimit-limit") && response.headers().contains_key("content-type"));
    for name in ["set-cookie", "content-length", "connection"] {
        assert!(!response.headers().contains_key(name), "{name}");
    }
    assert_eq!(response.headers()[CONTENT_SECURITY_POLICY], "default-src 'none'; sandbox");
}

#[test]
fn an_answer_that_cannot_be_sent_is_a_bad_gateway() {
    for (status, header) in [(99, "ok"), (101, "ok"), (200, "not a header")] {
        let headers = vec![(header.to_owned(), "x".to_owned())];
        let problem = answered(PluginResponse { status, headers, body: Vec::new() }).unwrap_err();
        assert_eq!(problem.status(), StatusCode::BAD_GATEWAY);
    }
}

#[test]
fn each_kind_of_failure_has_its_status() {
    let status = |outcome| {
        let failure = PluginFailure { plugin: "p".to_owned(), outcome, detail: "secret".to_owned() };
        let problem = failed(&failure);
        assert!(!problem.detail.contains("secret"));
        problem.status().as_u16()
    };
    assert_eq!((status(Outcome::Trap), status(Outcome::BadAnswer)), (502, 502));
    assert_eq!((status(Outcome::Wall), status(Outcome::Breaker), status(Outcome::Busy)), (504, 503, 503));
    assert_eq!(status(Outcome::Missing), 503);
}
