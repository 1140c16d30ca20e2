//! What goes wrong, as `application/problem+json` (RFC 9457). The one place where an error becomes an HTTP status.
//!
//! A [`Problem`] travels as an extension of an empty response; [`render`] writes the body at the outer edge, where the
//! request's id is known. Internal errors are logged once, here; the client never sees their source.

pub(crate) mod catalogue;

use std::time::Duration;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use portico_core::Error;
use portico_core::device::DeviceState;
use serde::Serialize;
use utoipa::ToSchema;

/// The body of every answer that is not a success.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody<'a> {
    /// Where the code is explained.
    #[serde(rename = "type")]
    kind: String,
    /// What kind of problem it is, for people.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// A stable code in snake_case, for programs.
    code: &'static str,
    /// What happened here and what to do.
    detail: &'a str,
    /// The field, header or parameter it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    /// The device's state, when that is what is in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<DeviceState>,
    /// Also in `X-Request-Id` and in the log.
    request_id: &'a str,
}

/// An answer that is not a success.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) detail: String,
    pub(crate) field: Option<String>,
    state: Option<DeviceState>,
    retry_after: Option<Duration>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), field: None, state: None, retry_after: None }
    }

    pub(crate) fn about(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    pub(crate) fn retry_after(mut self, span: Duration) -> Self {
        self.retry_after = Some(span);
        self
    }

    /// A handler panicked: a bug. The panic hook has logged where.
    pub(crate) fn panicked() -> Self {
        tracing::error!("a request handler panicked");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the gateway failed; the log has the reason under this request id",
        )
    }

    /// Too much at once, for everybody together.
    pub(crate) fn overloaded(why: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", why).retry_after(RETRY_OVERLOADED)
    }

    /// No such route.
    pub(crate) fn no_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path; GET /docs lists what there is")
    }

    /// The route exists, for other methods.
    pub(crate) fn no_method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "this path takes other methods; the header `Allow` names them",
        )
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let mut problem = Self::new(status_of(&error), error.code(), error.to_string());
        match error {
            Error::Invalid { field, .. } => problem.field = Some(field),
            Error::NotReady { state, .. } => problem.state = Some(state),
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
            | Error::Refused { .. } => {}
        }
        problem
    }
}

/// When a request that was one too many may come again.
pub(crate) const RETRY_OVERLOADED: Duration = Duration::from_secs(1);
/// When a client may ask again for something that is down.
const RETRY_UNAVAILABLE: Duration = Duration::from_secs(5);

fn status_of(error: &Error) -> StatusCode {
    match error {
        Error::NotFound { .. } => StatusCode::NOT_FOUND,
        Error::Conflict { .. } | Error::NotReady { .. } => StatusCode::CONFLICT,
        Error::Invalid { .. } => StatusCode::BAD_REQUEST,
        Error::Unauthenticated { .. } => StatusCode::UNAUTHORIZED,
        Error::Forbidden { .. } => StatusCode::FORBIDDEN,
        Error::Unsupported { .. } => StatusCode::NOT_IMPLEMENTED,
        Error::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Error::Busy { .. } => StatusCode::TOO_MANY_REQUESTS,
        Error::Refused { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        Error::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Error::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
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
        let mut response = self.status.into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"portico\""));
        }
        if let Some(span) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(span.as_secs().max(1)));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the body of a problem; other responses pass unchanged.
pub(crate) fn render(response: Response, request_id: &str) -> Response {
    let (mut parts, body) = response.into_parts();
    let Some(problem) = parts.extensions.remove::<Problem>() else {
        return Response::from_parts(parts, body);
    };
    let document = ProblemBody {
        kind: format!("/docs/problems#{}", problem.code),
        title: catalogue::title(problem.code, problem.status),
        status: problem.status.as_u16(),
        code: problem.code,
        detail: &problem.detail,
        field: problem.field.as_deref(),
        state: problem.state,
        request_id,
    };
    let body = serde_json::to_vec(&document).unwrap_or_default();
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    parts.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Response::from_parts(parts, body.into())
}

#[cfg(test)]
mod tests;
