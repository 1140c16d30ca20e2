//! Errors of the admin API as `application/problem+json` (RFC 9457) with a `code` and what to do.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::Error;

/// An answer that says what went wrong.
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
}

impl Problem {
    pub(super) fn not_found() -> Self {
        let detail = "there is no such path: see the README of the sandbox for the list".to_owned();
        Self { status: StatusCode::NOT_FOUND, code: "not_found", detail }
    }

    pub(super) fn method() -> Self {
        let detail = "this path has another method: see the README of the sandbox for the list".to_owned();
        Self { status: StatusCode::METHOD_NOT_ALLOWED, code: "method_not_allowed", detail }
    }

    pub(super) fn with(status: StatusCode, code: &'static str, detail: &str) -> Self {
        Self { status, code, detail: detail.to_owned() }
    }

    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: "invalid", detail: detail.into() }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let (status, code) = match &error {
            Error::InvalidNumber => (StatusCode::BAD_REQUEST, "invalid_number"),
            Error::InvalidQr { .. } => (StatusCode::BAD_REQUEST, "invalid_qr"),
            Error::Invalid { .. } => (StatusCode::BAD_REQUEST, "invalid"),
            Error::WrongCode => (StatusCode::BAD_REQUEST, "wrong_code"),
            Error::UnknownPhone => (StatusCode::NOT_FOUND, "unknown_phone"),
            Error::UnknownRecipient => (StatusCode::NOT_FOUND, "unknown_recipient"),
            Error::UnknownMessage => (StatusCode::NOT_FOUND, "unknown_message"),
            Error::UnknownMedia => (StatusCode::NOT_FOUND, "unknown_media"),
            Error::StaleQr => (StatusCode::NOT_FOUND, "stale_qr"),
            Error::NoPendingCode => (StatusCode::NOT_FOUND, "no_pending_code"),
            Error::PhoneExists => (StatusCode::CONFLICT, "phone_exists"),
            Error::PhoneOffline => (StatusCode::CONFLICT, "phone_offline"),
            Error::Refused { .. } => (StatusCode::CONFLICT, "refused"),
            Error::PairingFailed { .. } => (StatusCode::BAD_GATEWAY, "pairing_failed"),
            Error::Timeout { .. } => (StatusCode::GATEWAY_TIMEOUT, "timeout"),
            Error::LimitReached { .. } => (StatusCode::INSUFFICIENT_STORAGE, "limit_reached"),
            Error::Signal(_) | Error::Key(_) | Error::Media { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "crypto"),
            Error::NotLoopback { .. }
            | Error::Listen { .. }
            | Error::Certificate { .. }
            | Error::Data { .. }
            | Error::Snapshot { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        };
        Self { status, code, detail: error.to_string() }
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::invalid(rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::invalid(rejection.body_text())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
        });
        (self.status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
    }
}
