//! Keys: make, list, look at, show again, revoke.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use portico_api::{AccessKey, KeyText, MadeKey, NewKey, Page};
use portico_core::access::keys::{self, Keeping};
use portico_core::access::secret::KeySpelling;
use portico_core::{Error, OpContext};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{HandlerResult, created};
use crate::api::App;
use crate::config::SignUp;
use crate::extract::path::KeyPath;
use crate::extract::query::{IdempotencyKey, page};
use crate::extract::{Auth, Json, OptionalAuth, Query, device};

/// The routes of keys that need a key themselves.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get, revoke)).routes(routes!(reveal))
}

/// Making a key, which serves a sign-up too.
pub(super) fn optional_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create))
}

/// Make a key
///
/// Its text is shown once, unless it is `revealable`. With a `device` it reaches that device only. Without credentials this
/// works only where the operator opened sign-up: then it makes a tenant of its own with one key.
#[utoipa::path(post, path = "/v1/keys", tag = "keys", security(("key" = ["keys:write"])), params(IdempotencyKey), request_body = NewKey,
    responses((status = 201, description = "The key", body = MadeKey)))]
pub(super) async fn create(
    State(app): State<App>,
    OptionalAuth(ctx): OptionalAuth,
    Json(mut body): Json<NewKey>,
) -> HandlerResult<Response> {
    match (ctx, app.config.sign_up) {
        (Some(ctx), _) => {
            let device = device(&ctx, &app, "device", body.device.take()).await?;
            let made = keys::create(&ctx, keys::NewKey { device, ..draft(body)? }).await?;
            let location = format!("/v1/keys/{}", made.key.id);
            Ok(created(&ctx, StatusCode::CREATED, &location, &made))
        }
        (None, SignUp::Open) if body.device.is_some() => {
            Err(Error::invalid("device", "must be left out: a fresh tenant has no devices").into())
        }
        (None, SignUp::Open) => {
            let made = keys::sign_up(&app.services.ports, draft(body)?).await?;
            Ok((StatusCode::CREATED, Json(MadeKey::from(&made))).into_response())
        }
        (None, SignUp::Closed) => {
            let why = "sign-up is closed; make keys with a key that has the scope `keys:write`";
            Err(Error::Unauthenticated { why }.into())
        }
    }
}

/// What a key is to be, apart from its device.
pub(super) fn draft(body: NewKey) -> Result<keys::NewKey, Error> {
    let NewKey { name, scopes, device: _, format, prefix, revealable, expires_in_days } = body;
    Ok(keys::NewKey {
        name,
        device: None,
        scopes: scopes.map(|scopes| scopes.iter().copied().map(Into::into).collect()),
        spelling: KeySpelling::new(format.into(), prefix)?,
        keeping: if revealable { Keeping::Revealable } else { Keeping::ShownOnce },
        expires_in_days,
    })
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct KeyParams {
    /// Only those bound to this device.
    device: Option<String>,
    /// Whether to show the texts of revealable keys that are not revoked and can do nothing that the caller can't.
    reveal: Option<bool>,
    /// Rows at most.
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// Rows that are passed over, instead of a `cursor`.
    offset: Option<u32>,
    /// Whether to count the rows of the whole list.
    total: Option<bool>,
}

/// List keys
///
/// Newest first.
#[utoipa::path(get, path = "/v1/keys", tag = "keys", security(("key" = ["keys:write"])), params(KeyParams),
    responses((status = 200, description = "Keys", body = Page<MadeKey>)))]
pub(super) async fn list(
    State(app): State<App>,
    Auth(ctx): Auth,
    Query(query): Query<KeyParams>,
) -> HandlerResult<Json<Page<MadeKey>>> {
    let device = device(&ctx, &app, "device", query.device).await?;
    let page = page!(&ctx, query)?;
    let found = keys::list(&ctx, device, page).await?;
    let shown = |key| shown(&ctx, key, query.reveal == Some(true));
    let items = found.items.iter().map(shown).collect::<Result<_, _>>()?;
    Ok(Json(Page { items, next: found.next, total: found.total }))
}

fn shown(ctx: &OpContext, key: &portico_core::access::AccessKey, reveal: bool) -> Result<MadeKey, Error> {
    let secret = if reveal { keys::revealed(ctx, key)? } else { None };
    Ok(MadeKey { key: key.into(), secret: secret.map(|secret| secret.reveal().to_owned()) })
}

/// Look at a key
#[utoipa::path(get, path = "/v1/keys/{id}", tag = "keys", security(("key" = ["keys:write"])), params(KeyPath),
    responses((status = 200, description = "The key", body = AccessKey)))]
pub(super) async fn get(Auth(ctx): Auth, path: KeyPath) -> HandlerResult<Json<AccessKey>> {
    Ok(Json((&keys::get(&ctx, &path.id).await?).into()))
}

/// Show a key's text again
///
/// If it was made `revealable`, is not revoked and can do nothing that the caller can't.
#[utoipa::path(get, path = "/v1/keys/{id}/secret", tag = "keys", security(("key" = ["keys:write"])), params(KeyPath),
    responses((status = 200, description = "The text", body = KeyText)))]
pub(super) async fn reveal(Auth(ctx): Auth, path: KeyPath) -> HandlerResult<Json<KeyText>> {
    Ok(Json(KeyText { key: keys::reveal(&ctx, &path.id).await?.reveal().to_owned() }))
}

/// Revoke a key
///
/// It stops working at once, also in open event streams. Repeating it changes nothing.
#[utoipa::path(delete, path = "/v1/keys/{id}", tag = "keys", security(("key" = ["keys:write"])), params(KeyPath),
    responses((status = 204, description = "It is revoked")))]
pub(super) async fn revoke(Auth(ctx): Auth, path: KeyPath) -> HandlerResult<StatusCode> {
    keys::revoke(&ctx, &path.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
