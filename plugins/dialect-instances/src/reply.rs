//! Answers of this API: `{"success": true, "data": …}`, and errors as `{"success": false, "error": …, "details": …}`.

use portico_sdk::gateway::{CoreError, Problem};
use portico_sdk::http::{BodyError, Response};
use serde::Serialize;

/// A request this API refuses.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: u16,
    error: String,
    details: Option<String>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    success: bool,
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a str>,
}

#[derive(Serialize)]
struct DataBody<T> {
    success: bool,
    data: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
}

/// A good answer.
pub(crate) fn data(data: impl Serialize) -> Response {
    Response::json(200, &DataBody { success: true, data, message: None })
}

/// A good answer with a text for people.
pub(crate) fn data_with_message(data: impl Serialize, message: &'static str) -> Response {
    Response::json(200, &DataBody { success: true, data, message: Some(message) })
}

impl Refusal {
    pub(crate) fn new(status: u16, error: impl Into<String>) -> Self {
        Self { status, error: error.into(), details: None }
    }

    pub(crate) fn missing_key() -> Self {
        Self::new(401, "Missing or invalid API key; send it in the header X-API-Key")
    }

    pub(crate) fn no_such_instance() -> Self {
        Self::new(404, "Instance not found")
    }

    pub(crate) fn into_response(self) -> Response {
        let body = ErrorBody { success: false, error: &self.error, details: self.details.as_deref() };
        Response::json(self.status, &body)
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        Self { status: 400, error: "Invalid request parameters".into(), details: Some(error.to_string()) }
    }
}

impl From<CoreError> for Refusal {
    fn from(error: CoreError) -> Self {
        match error {
            CoreError::Problem(problem) => problem.into(),
            CoreError::Unavailable(why) => {
                Self { status: 503, error: "Service unavailable".into(), details: Some(why) }
            }
            CoreError::Host(why) => Self { status: 500, error: "Server error".into(), details: Some(why) },
            CoreError::Shape(e) => Self { status: 500, error: "Server error".into(), details: Some(e.to_string()) },
        }
    }
}

/// The core's kinds of problems, by its stable codes; statuses are the documented ones of this API.
impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        let (status, error) = match (problem.code.as_str(), problem.status) {
            ("unauthenticated", _) | (_, 401) => (401, "Missing or invalid API key"),
            ("forbidden", _) | (_, 403) => (403, "Insufficient permissions"),
            ("device_not_found", _) => (404, "Instance not found"),
            ("not_found", _) | (_, 404) => (404, "Resource not found"),
            // The document has no conflict: the request can't be served as things stand.
            ("device_not_ready", _) => (400, "Instance is not connected"),
            ("unsupported", _) | (_, 501) => (501, "Feature not supported"),
            ("busy", _) | (_, 429) => (429, "Too many requests, please try again later"),
            ("too_large", _) | (_, 413) => (413, "Request is too large"),
            ("unavailable", _) | (_, 502..=504) => (503, "Service unavailable"),
            (_, 400..=499) => (400, "Invalid request parameters"),
            _ => (500, "Server error"),
        };
        let details = (status != 500).then(|| problem.to_string()).filter(|text| !text.is_empty());
        Self { status, error: error.to_owned(), details }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_get_the_documented_statuses() {
        for (code, core, documented) in [
            ("unauthenticated", 401, 401),
            ("forbidden", 403, 403),
            ("device_not_found", 404, 404),
            ("device_not_ready", 409, 400),
            ("invalid_request", 422, 400),
            ("idempotency_key_reused", 409, 400),
            ("unsupported", 501, 501),
            ("busy", 429, 429),
            ("unavailable", 503, 503),
            ("internal", 500, 500),
            ("", 0, 500),
        ] {
            let problem = Problem { code: code.into(), status: core, ..Problem::default() };
            assert_eq!(Refusal::from(problem).status, documented, "{code}");
        }
    }

    #[test]
    fn an_internal_error_tells_nothing_of_its_cause() {
        let problem = Problem { code: "internal".into(), status: 500, detail: "a path".into(), ..Problem::default() };
        assert_eq!(Refusal::from(problem).details, None);
    }
}
