//! What goes wrong, as `application/problem+json` (RFC 9457). The one place where an error becomes an HTTP status.
//!
//! A [`Problem`] travels as an extension of an empty response; [`render`] writes the body at the outer edge, where the
//! request's id is known. Internal errors are logged once, here; the client never sees their source.

use std::borrow::Cow;
use std::time::Duration;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use portico_api::{DeviceState, ProblemCode};
use portico_core::Error;
use portico_core::error::Hint;
use portico_core::message::SendFailure;

/// An answer that is not a success.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) code: ProblemCode,
    pub(crate) detail: String,
    pub(crate) field: Option<String>,
    state: Option<DeviceState>,
    hint: Option<Hint>,
    /// Headers with credentials that were missing; for a dialect that words the refusal.
    pub(crate) missing: Vec<String>,
    pub(crate) retry_after: Option<Duration>,
}

/// Who reads the body of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// A client of this API: hints name its routes.
    Client,
    /// A dialect, which renders hints in the words of its own API.
    Dialect,
}

impl Problem {
    pub(crate) fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            field: None,
            state: None,
            hint: None,
            missing: Vec::new(),
            retry_after: None,
        }
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        // Codes carry statuses from 400 to 599 only.
        StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub(crate) fn about(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    pub(crate) fn retry_after(mut self, span: Duration) -> Self {
        self.retry_after = Some(span);
        self
    }

    pub(crate) fn missing(mut self, headers: Vec<String>) -> Self {
        self.missing = headers;
        self
    }

    /// More requests than a limit allows.
    pub(crate) fn too_many(wait: Duration) -> Self {
        let why = "too many requests; `Retry-After` says when the next one may come";
        Problem::new(ProblemCode::RateLimited, why).retry_after(wait)
    }

    /// A body that is larger than its route takes.
    pub(crate) fn body_too_large(limit_bytes: u64) -> Self {
        Error::TooLarge { what: "the body", limit_bytes }.into()
    }

    /// A handler panicked: a bug. The panic hook has logged where.
    pub(crate) fn panicked() -> Self {
        tracing::error!("a request handler panicked");
        Problem::new(ProblemCode::Internal, "the gateway failed; the log has the reason under this request id")
    }

    /// Too much at once, for everybody together.
    pub(crate) fn overloaded(why: &str) -> Self {
        Problem::new(ProblemCode::Overloaded, why).retry_after(RETRY_OVERLOADED)
    }

    /// A message that won't be sent, told to the one who waited for it.
    pub(crate) fn failed_send(failure: &SendFailure) -> Self {
        let code = ProblemCode::from_name(&failure.code).unwrap_or(ProblemCode::RefusedByWhatsapp);
        Self::new(code, failure.text.clone())
    }

    /// No such route.
    pub(crate) fn no_route() -> Self {
        Problem::new(ProblemCode::NotFound, "there is nothing at this path; GET /docs lists what there is")
    }

    /// The route exists, for other methods.
    pub(crate) fn no_method() -> Self {
        Problem::new(ProblemCode::MethodNotAllowed, "this path takes other methods; the header `Allow` names them")
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let mut problem = Self::new(code_of(&error), error.to_string());
        match error {
            Error::Invalid { field, .. } => problem.field = Some(field),
            Error::NotReady { state, hint } => {
                problem.state = portico_core::device::DeviceState::from_name(state).map(Into::into);
                problem.hint = Some(hint);
            }
            Error::Busy { retry_after, .. } => problem.retry_after = Some(retry_after),
            Error::Unavailable { what, source } => {
                tracing::warn!(error = %chain(&*source), "{what} is not available");
                problem.retry_after = Some(RETRY_UNAVAILABLE);
            }
            Error::Internal { doing, source } => {
                tracing::error!(error = %chain(&*source), "failed while {doing}");
            }
            Error::NotFound { .. }
            | Error::Conflict { .. }
            | Error::Unauthenticated { .. }
            | Error::Forbidden { .. }
            | Error::Unsupported { .. }
            | Error::TooLarge { .. }
            | Error::Refused { .. }
            | Error::Timeout { .. }
            | Error::Gone { .. } => {}
        }
        problem
    }
}

/// When a request that was one too many may come again.
pub(crate) const RETRY_OVERLOADED: Duration = Duration::from_secs(1);
/// When a client may ask again for something that is down.
const RETRY_UNAVAILABLE: Duration = Duration::from_secs(5);

/// The code of an error. Codes of conflicts and refusals come from all over the gateway; one without a documented code is a
/// bug, and a client gets the general one.
fn code_of(error: &Error) -> ProblemCode {
    let general = match error {
        Error::Refused { .. } => ProblemCode::RefusedByWhatsapp,
        Error::Conflict { .. } => ProblemCode::Conflict,
        _ => ProblemCode::Internal,
    };
    ProblemCode::from_name(error.code()).unwrap_or(general)
}

/// A hint in the words of this API.
fn routes_of(hint: Hint) -> Option<&'static str> {
    match hint {
        Hint::ConnectAndScan => Some("POST /v1/devices/{id}/connect, then GET /v1/devices/{id}/qr"),
        Hint::Connect => Some("POST /v1/devices/{id}/connect"),
        Hint::Scan => Some("GET /v1/devices/{id}/qr"),
        Hint::Wait => Some("event `device.state`"),
        Hint::ConfirmPasskey => None,
    }
}

/// An error with everything below it, for the log.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(cause) = below {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        below = cause.source();
    }
    text
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        let headers = response.headers_mut();
        if self.status() == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"portico\""));
        }
        if let Some(span) = self.retry_after {
            headers.insert(
                RETRY_AFTER,
                HeaderValue::from(u64::try_from(span.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX).max(1)),
            );
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the body of a problem; other responses pass unchanged.
pub(crate) fn render(response: Response, request_id: &str, reader: Reader) -> Response {
    let (mut parts, body) = response.into_parts();
    let Some(problem) = parts.extensions.remove::<Problem>() else {
        return Response::from_parts(parts, body);
    };
    let detail = match problem.hint.and_then(routes_of) {
        Some(routes) if reader == Reader::Client => Cow::Owned(format!("{} ({routes})", problem.detail)),
        _ => Cow::Borrowed(problem.detail.as_str()),
    };
    let document = portico_api::Problem {
        kind: format!("/docs/problems#{}", problem.code).into(),
        title: problem.code.title().into(),
        status: problem.code.status(),
        code: problem.code,
        detail,
        field: problem.field.as_deref().map(Into::into),
        state: problem.state,
        hint: problem.hint.map(Into::into),
        request_id: request_id.into(),
    };
    let body = serde_json::to_vec(&document).unwrap_or_default();
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    parts.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Response::from_parts(parts, body.into())
}

#[cfg(test)]
mod tests;
