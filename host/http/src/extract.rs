//! What handlers are given: the operation's [`OpContext`], parameters of the path and the query, bodies; each checked, or a
//! problem.

mod component;
pub(crate) mod json;
pub(crate) mod path;
pub(crate) mod query;
mod wording;

use std::str::FromStr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::Method;
use axum::http::request::Parts;
use portico_core::access::Caller;
use portico_core::context::idempotency::Idempotency;
use portico_core::{Error, OpContext};

use crate::api::App;
use crate::body::{Fingerprint, IDEMPOTENCY_KEY};
use crate::credentials::Principal;
use crate::problem::Problem;

pub(crate) use component::Component;
pub(crate) use json::Json;
pub(crate) use query::Query;

/// The operation, for a caller with good credentials. The only way to an [`OpContext`] in handlers.
pub(crate) struct Auth(pub(crate) OpContext);

impl FromRequestParts<App> for Auth {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Ok(Self(operation(app, parts, principal(parts).required()?.clone())?))
    }
}

/// The operation, or `None` when no credentials came. Bad ones are refused here too.
pub(crate) struct OptionalAuth(pub(crate) Option<OpContext>);

impl FromRequestParts<App> for OptionalAuth {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = principal(parts).optional()?.cloned();
        Ok(Self(caller.map(|caller| operation(app, parts, caller)).transpose()?))
    }
}

/// Who the authentication middleware found; nobody on routes without it.
fn principal(parts: &Parts) -> &Principal {
    parts.extensions.get().unwrap_or(&Principal::Anonymous)
}

fn operation(app: &App, parts: &Parts, caller: Caller) -> Result<OpContext, Problem> {
    let idempotency = if parts.method == Method::POST { idempotency(parts)? } else { None };
    Ok(OpContext::new(Arc::clone(&app.services), caller, idempotency))
}

fn idempotency(parts: &Parts) -> Result<Option<Idempotency>, Problem> {
    let Some(value) = parts.headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let Some(Fingerprint(print)) = parts.extensions.get::<Fingerprint>() else { return Ok(None) };
    // A value that is no ASCII is refused with the others that can't be a key.
    let key = value.to_str().unwrap_or_default();
    Ok(Some(Idempotency::new(key, print.clone())?))
}

/// An id in a body or a query; `field` names it in the error.
pub(crate) fn id<T: FromStr>(field: &str, text: &str) -> Result<T, Error> {
    text.parse().map_err(|_| Error::invalid(field, "is not an id"))
}
