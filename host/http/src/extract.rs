//! What handlers are given: the operation's [`OpContext`], parameters of the path and the query, bodies; each checked, or a
//! problem.

mod component;
pub(crate) mod json;
pub(crate) mod path;
pub(crate) mod query;
mod wording;

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::Method;
use axum::http::request::Parts;
use portico_core::access::{Caller, resolve};
use portico_core::context::idempotency::Idempotency;
use portico_core::id::DeviceId;
use portico_core::{Error, OpContext};

use crate::api::App;
use crate::body::{Fingerprint, IDEMPOTENCY_KEY};
use crate::credentials::Principal;
use crate::peer::{self, Peer};
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

/// The address a request came from, as attempts are counted by: an IPv4 address or an IPv6 network; `None` within the
/// process.
pub(crate) struct Address(pub(crate) Option<IpAddr>);

impl FromRequestParts<App> for Address {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        Ok(Self(parts.extensions.get::<Peer>().map(|peer| peer::network(peer.0))))
    }
}

/// The `Idempotency-Key` of a request that needs no credentials.
pub(crate) struct Repeatable(pub(crate) Option<Idempotency>);

impl FromRequestParts<App> for Repeatable {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        idempotency(parts).map(Self)
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

/// The device that a body or a query names by its id, `no:<number>` or `ref:<namespace>:<value>`; one that there is not is told
/// of as `field`, apart from ids, which the operation looks at.
pub(crate) async fn device(
    ctx: &OpContext,
    app: &App,
    field: &str,
    text: Option<String>,
) -> Result<Option<DeviceId>, Error> {
    let Some(text) = text else { return Ok(None) };
    match resolve(&app.services.ports, ctx.tenant(), &text).await {
        Ok(id) => Ok(Some(id)),
        Err(Error::NotFound { .. }) => Err(Error::invalid(field, "is not the id, the number or a ref of a device")),
        Err(other) => Err(other),
    }
}
