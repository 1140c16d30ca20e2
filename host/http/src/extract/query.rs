//! Queries.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use portico_core::page::{Asked, PageRequest};
use portico_core::{Error, OpContext};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::form_urlencoded;
use utoipa::IntoParams;

use super::wording;
use crate::api::App;
use crate::problem::Problem;

/// The query, as the type the route takes.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<App> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        parse(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

fn parse<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let pairs = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
    serde_path_to_error::deserialize(pairs).map_err(|e| wording::problem(&e.path().to_string(), &e.inner().to_string()))
}

/// The part of a list that is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageParams {
    /// Rows at most.
    pub(crate) limit: Option<u32>,
    /// The `next` of the page before.
    pub(crate) cursor: Option<String>,
    /// Rows that are passed over, instead of a `cursor`.
    pub(crate) offset: Option<u32>,
    /// Whether to count the rows of the whole list.
    pub(crate) total: Option<bool>,
}

/// Checks which part of a list is wanted: the four parameters that the query of every list has.
macro_rules! page {
    ($ctx:expr, $query:expr) => {
        $crate::extract::query::checked_page(
            $ctx,
            portico_core::page::Asked {
                limit: $query.limit,
                cursor: $query.cursor,
                offset: $query.offset,
                total: $query.total,
            },
        )
    };
}
pub(crate) use page;

/// Checks which part of a list is wanted.
pub(crate) fn checked_page(ctx: &OpContext, asked: Asked) -> Result<PageRequest, Error> {
    PageRequest::new(asked, ctx.limits())
}

/// Characters of a filter in a query at most.
const FILTER_CHARS_MAX: usize = 200;

/// A filter by a text that the store compares: without control characters, which no stored text has and which not every
/// database takes.
pub(crate) fn checked_filter(name: &str, text: Option<String>) -> Result<Option<String>, Error> {
    match text {
        Some(text) if text.chars().any(char::is_control) || text.chars().count() > FILTER_CHARS_MAX => {
            let why = format!("must have at most {FILTER_CHARS_MAX} characters and no control characters");
            Err(Error::invalid(name, why))
        }
        text => Ok(text),
    }
}

/// The header that makes a request safe to repeat.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "described here, read where the operation is made")]
pub(crate) struct IdempotencyKey {
    /// Any text of 1 to 255 printable characters, fresh for each new request: a repetition makes nothing twice and gets the
    /// first answer again, as it was given then, with `Idempotent-Replay: true`.
    #[param(rename = "Idempotency-Key")]
    idempotency_key: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_names_the_parameter() {
        for (query, field) in [("limit=many", "limit"), ("cursor=a&page=5", "page"), ("limit=-1", "limit")] {
            let problem = parse::<PageParams>(query).unwrap_err();
            assert_eq!((problem.code.as_str(), problem.field.as_deref()), ("invalid_request", Some(field)), "{query}");
        }
    }

    #[test]
    fn a_filter_holds_no_control_characters() {
        for text in ["a\u{0}b", "\u{7f}", &"x".repeat(201)] {
            assert!(checked_filter("chat", Some(text.to_owned())).is_err(), "{text:?}");
        }
        let chat = Some("15550100002@s.whatsapp.net".to_owned());
        assert_eq!(checked_filter("chat", chat.clone()).ok(), Some(chat));
    }

    #[test]
    fn an_empty_query_is_fine() {
        assert!(parse::<PageParams>("").unwrap().limit.is_none());
        assert_eq!(parse::<PageParams>("limit=5&cursor=dev_1").unwrap().cursor.as_deref(), Some("dev_1"));
    }
}
