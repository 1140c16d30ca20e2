use portico_core::error::Source;

use super::*;

fn of(error: Error) -> (u16, &'static str) {
    let problem = Problem::from(error);
    (problem.status().as_u16(), problem.code.as_str())
}

fn broken() -> Source {
    "password=hunter2 at 10.0.0.1".into()
}

fn json(problem: Problem) -> serde_json::Value {
    let response = render(problem.into_response(), "req_1", Reader::Client);
    let body = axum::body::to_bytes(response.into_body(), 10_000);
    let body = futures_util::FutureExt::now_or_never(body).unwrap().unwrap();
    serde_json::from_slice(&body).unwrap()
}

#[test]
fn every_kind_of_error_has_its_status() {
    let second = Duration::from_secs(1);
    let why = || "why".to_owned();
    let state = portico_core::device::DeviceState::Created;
    let hint = state.way_to_connected();
    for (error, status, code) in [
        (Error::not_found("device", "dev_x"), 404, "device_not_found"),
        (Error::not_found("webhook", "wh_x"), 404, "not_found"),
        (Error::Conflict { code: "already_paired", why: why() }, 409, "already_paired"),
        (Error::invalid("to", "why"), 400, "invalid_request"),
        (Error::Unauthenticated { why: "why" }, 401, "unauthenticated"),
        (Error::Forbidden { why: why() }, 403, "forbidden"),
        (Error::NotReady { state: state.as_str(), hint }, 409, "device_not_ready"),
        (Error::Unsupported { why: why() }, 501, "unsupported"),
        (Error::TooLarge { what: "body", limit_bytes: 1 }, 413, "too_large"),
        (Error::Busy { why: why(), retry_after: second }, 429, "busy"),
        (Error::Refused { code: "not_on_whatsapp", why: why() }, 422, "not_on_whatsapp"),
        (Error::unavailable("the database", broken()), 503, "unavailable"),
        (Error::internal("testing", broken()), 500, "internal"),
    ] {
        assert_eq!(of(error), (status, code));
    }
}

#[test]
fn the_client_never_sees_what_only_an_operator_may_see() {
    for error in [Error::internal("testing", broken()), Error::unavailable("the database", broken())] {
        let text = json(error.into()).to_string();
        assert!(!text.contains("hunter2") && !text.contains("10.0.0.1"), "{text}");
    }
}

#[test]
fn the_body_names_field_state_and_request() {
    let body = json(Error::invalid("content.text", "is missing").into());
    assert_eq!(body["field"], "content.text");
    assert_eq!(body["request_id"], "req_1");
    assert_eq!(body["type"], "/docs/problems#invalid_request");
    let state = portico_core::device::DeviceState::LoggedOut;
    let body = json(Error::NotReady { state: state.as_str(), hint: state.way_to_connected() }.into());
    assert_eq!(body["state"], "logged_out");
    assert!(body.get("field").is_none());
}

#[test]
fn headers_say_how_to_go_on() {
    let response = Problem::from(Error::Unauthenticated { why: "why" }).into_response();
    assert!(response.headers().contains_key(WWW_AUTHENTICATE));
    let busy = Error::Busy { why: String::new(), retry_after: Duration::from_millis(200) };
    let response = Problem::from(busy).into_response();
    assert_eq!(response.headers()[RETRY_AFTER], "1");
}

#[test]
fn hints_name_routes_to_clients_only() {
    let state = portico_core::device::DeviceState::Disconnected;
    let problem =
        || Problem::from(Error::NotReady { state: state.as_str(), hint: state.way_to_connected() }).into_response();
    let detail = |reader| {
        let body = axum::body::to_bytes(render(problem(), "req_1", reader).into_body(), 10_000);
        let body = futures_util::FutureExt::now_or_never(body).unwrap().unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["hint"], "connect");
        body["detail"].as_str().unwrap().to_owned()
    };
    assert_eq!(detail(Reader::Client), "the device is disconnected; connect it (POST /v1/devices/{id}/connect)");
    assert_eq!(detail(Reader::Dialect), "the device is disconnected; connect it");
}

/// Codes of conflicts and refusals are texts in the sources of the gateway; each has to be one of the closed set, with the
/// status of its kind.
#[test]
fn every_code_in_the_sources_is_documented() {
    let host = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders: Vec<_> = std::fs::read_dir(host).unwrap().map(|entry| entry.unwrap().path().join("src")).collect();
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            for (kind, status) in [("Error::Conflict {", 409), ("Error::Refused {", 422), ("Error::Gone {", 410)] {
                for made in text.split(kind).skip(1) {
                    let Some(code) = made.trim_start().strip_prefix("code: \"") else { continue };
                    let code = code.split('"').next().unwrap();
                    let documented = ProblemCode::from_name(code).map(ProblemCode::status);
                    assert_eq!(documented, Some(status), "{code} in {}", path.display());
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 8, "errors look different now; this test finds only {seen}");
}
