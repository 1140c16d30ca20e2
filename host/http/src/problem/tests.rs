use portico_core::error::Source;

use super::*;

fn of(error: Error) -> (u16, &'static str) {
    let problem = Problem::from(error);
    (problem.status.as_u16(), problem.code)
}

fn broken() -> Source {
    "password=hunter2 at 10.0.0.1".into()
}

fn json(problem: Problem) -> serde_json::Value {
    let response = render(problem.into_response(), "req_1");
    let body = axum::body::to_bytes(response.into_body(), 10_000);
    let body = futures_util::FutureExt::now_or_never(body).unwrap().unwrap();
    serde_json::from_slice(&body).unwrap()
}

#[test]
fn every_kind_of_error_has_its_status() {
    let second = Duration::from_secs(1);
    let why = || "why".to_owned();
    let state = DeviceState::Created;
    let hint = state.way_to_connected();
    for (error, status, code) in [
        (Error::not_found("device", "dev_x"), 404, "device_not_found"),
        (Error::not_found("webhook", "wh_x"), 404, "not_found"),
        (Error::Conflict { code: "already_paired", why: why() }, 409, "already_paired"),
        (Error::invalid("to", "why"), 400, "invalid_request"),
        (Error::Unauthenticated { why: "why" }, 401, "unauthenticated"),
        (Error::Forbidden { why: why() }, 403, "forbidden"),
        (Error::NotReady { state, hint }, 409, "device_not_ready"),
        (Error::Unsupported { why: why() }, 501, "unsupported"),
        (Error::TooLarge { what: "body", limit_bytes: 1 }, 413, "too_large"),
        (Error::Busy { why: why(), retry_after: second }, 429, "busy"),
        (Error::Refused { code: "not_on_whatsapp", why: why() }, 422, "not_on_whatsapp"),
        (Error::unavailable("the database", broken()), 503, "unavailable"),
        (Error::internal("testing", broken()), 500, "internal"),
    ] {
        assert_eq!(of(error), (status, code));
        assert!(catalogue::ALL.iter().any(|e| e.code == code && e.status == status), "{code}");
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
    let state = DeviceState::LoggedOut;
    let body = json(Error::NotReady { state, hint: state.way_to_connected() }.into());
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
fn codes_are_listed_once() {
    let mut codes: Vec<_> = catalogue::ALL.iter().map(|e| e.code).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), catalogue::ALL.len());
}
