//! JSON bodies.

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::wording;
use crate::api::App;
use crate::problem::Problem;
use portico_api::ProblemCode;

/// A JSON body: of a request, of the type the route takes; or of an answer.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &App) -> Result<Self, Problem> {
        check_type(request.headers())?;
        // The middleware has read it within the limit already.
        let body = to_bytes(request.into_body(), usize::MAX).await.unwrap_or_else(|_| Bytes::new());
        parse(&body).map(Self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// Whether a body is JSON. No content type at all is taken for it.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return true };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    if is_json(headers) {
        return Ok(());
    }
    let why = "this route takes JSON; send it with `Content-Type: application/json`";
    Err(Problem::new(ProblemCode::UnsupportedMediaType, why).about("Content-Type"))
}

/// Reads a document as the type the route takes.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if body.is_empty() {
        return Err(malformed("a JSON body is needed; GET /docs shows which"));
    }
    // A derived `Deserialize` of a struct also takes a list of its fields.
    if body
        .iter()
        .find(|byte| !byte.is_ascii_whitespace())
        .is_some_and(|first| matches!(first, b'[' | b'"' | b'0'..=b'9' | b'-'))
    {
        return Err(malformed("the body must be a JSON object, such as {\"name\": \"sales\"}"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|e| refused(&e))?;
    let end = deserializer.end();
    end.map_err(|e| {
        malformed(format!("after the JSON value, at line {} column {}, comes more", e.line(), e.column()))
    })?;
    Ok(value)
}

fn refused(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let inner = error.inner();
    match inner.classify() {
        Category::Data => wording::problem(&error.path().to_string(), &inner.to_string()),
        Category::Syntax | Category::Eof | Category::Io => {
            malformed(format!("the body is not JSON: see line {} column {}", inner.line(), inner.column()))
        }
    }
}

fn malformed(why: impl Into<String>) -> Problem {
    Problem::new(ProblemCode::MalformedJson, why)
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it parses counts")]
    struct Outer {
        name: String,
        inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it parses counts")]
    struct Inner {
        days: Vec<u32>,
    }

    fn refusal(body: &str) -> (String, Option<String>) {
        let problem = parse::<Outer>(body.as_bytes()).unwrap_err();
        assert_eq!(problem.status(), StatusCode::BAD_REQUEST);
        (problem.code.to_string(), problem.field)
    }

    #[test]
    fn a_complaint_names_the_field() {
        for (body, field) in [
            ("{}", "name"),
            (r#"{"name": 5}"#, "name"),
            (r#"{"name": "a", "nmae": 1}"#, "nmae"),
            (r#"{"name": "a", "inner": {}}"#, "inner.days"),
            (r#"{"name": "a", "inner": {"days": [1, -1]}}"#, "inner.days[1]"),
            (r#"{"name": "a", "inner": {"days": [], "x": 1}}"#, "inner.x"),
        ] {
            assert_eq!(refusal(body), ("invalid_request".to_owned(), Some(field.to_owned())), "{body}");
        }
    }

    #[test]
    fn an_unknown_field_comes_with_the_known_ones() {
        let problem = parse::<Outer>(br#"{"nmae": "a"}"#).unwrap_err();
        assert!(problem.detail.contains("`name`") && problem.detail.contains("`inner`"), "{}", problem.detail);
    }

    #[test]
    fn what_is_not_json_says_where() {
        for body in ["", "{", "name=a", r#"{"name": "a"} more"#, r#"["a"]"#, r#" "a""#, "5"] {
            assert_eq!(refusal(body), ("malformed_json".to_owned(), None), "{body}");
        }
    }

    #[test]
    fn only_json_is_taken() {
        let with = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, value.parse().unwrap());
            check_type(&headers).map_err(|p| p.status().as_u16())
        };
        assert_eq!(with("application/json; charset=utf-8"), Ok(()));
        assert_eq!(with("application/merge-patch+json"), Ok(()));
        assert_eq!(with("application/x-www-form-urlencoded"), Err(415));
        assert_eq!(check_type(&HeaderMap::new()).map_err(|_| ()), Ok(()));
    }
}
