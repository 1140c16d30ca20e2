//! What handlers are given: the operation's [`OpContext`], ids in the path, queries and bodies; each checked, or a problem.

pub(crate) mod json;
pub(crate) mod query;
mod wording;

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use portico_core::access::Caller;
use portico_core::id::{DeliveryId, DeviceId, KeyId, MessageId, WebhookId};
use portico_core::idempotency::Idempotency;
use portico_core::{Error, OpContext};

use crate::api::App;
use crate::body::{Fingerprint, IDEMPOTENCY_KEY};
use crate::credentials::Principal;
use crate::problem::Problem;

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

/// The ids in the path. One that can't be an id is simply not found.
pub(crate) struct Ids(Vec<(String, String)>);

/// Characters of a wrong id that are repeated to the client.
const ID_CHARS_SHOWN: usize = 40;

impl Ids {
    fn get<T: std::str::FromStr>(&self, name: &str, what: &'static str) -> Result<T, Error> {
        let text = self.0.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str());
        text.parse().map_err(|_| {
            let shown: String = text.chars().filter(|c| !c.is_control()).take(ID_CHARS_SHOWN).collect();
            Error::not_found(what, shown)
        })
    }

    pub(crate) fn device(&self) -> Result<DeviceId, Error> {
        self.get("id", "device")
    }

    pub(crate) fn message(&self) -> Result<MessageId, Error> {
        self.get("message", "message")
    }

    pub(crate) fn key(&self) -> Result<KeyId, Error> {
        self.get("id", "key")
    }

    pub(crate) fn webhook(&self) -> Result<WebhookId, Error> {
        self.get("id", "webhook")
    }

    pub(crate) fn delivery(&self) -> Result<DeliveryId, Error> {
        self.get("id", "delivery")
    }
}

impl FromRequestParts<App> for Ids {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match RawPathParams::from_request_parts(parts, app).await {
            Ok(params) => Ok(Self(params.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect())),
            Err(_) => Err(Problem::new(StatusCode::NOT_FOUND, "not_found", "the path is not valid UTF-8")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_an_id_is_not_found() {
        let ids = |text: &str| Ids(vec![("id".to_owned(), text.to_owned())]);
        let error = ids("../etc/passwd").device().unwrap_err();
        assert!(matches!(error, Error::NotFound { what: "device", .. }));
        let long = "x".repeat(500);
        let Error::NotFound { id, .. } = ids(&long).webhook().unwrap_err() else { panic!("another kind") };
        assert_eq!(id.len(), ID_CHARS_SHOWN);
        assert!(ids(DeviceId::new(1, 1).as_str()).device().is_ok());
    }
}
