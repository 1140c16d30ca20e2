//! Keys: make, list, revoke.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use portico_api::{AccessKey, MadeKey, NewKey, Page};
use portico_core::access::keys;
use portico_core::{Error, OpContext};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{HandlerResult, created};
use crate::api::App;
use crate::config::SignUp;
use crate::extract::path::KeyPath;
use crate::extract::query::{IdempotencyKey, PageParams, page};
use crate::extract::{Auth, Json, OptionalAuth, Query};

/// The routes of keys that need a key themselves.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(revoke))
}

/// Making a key, which serves a sign-up too.
pub(super) fn optional_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create))
}

/// Make a key
///
/// Its text is shown once. Without credentials this works only where the operator opened sign-up: then it makes a tenant of
/// its own with one key.
#[utoipa::path(post, path = "/v1/keys", tag = "keys", security(("key" = ["keys:write"])), params(IdempotencyKey), request_body = NewKey,
    responses((status = 201, description = "The key", body = MadeKey)))]
pub(super) async fn create(
    State(app): State<App>,
    OptionalAuth(ctx): OptionalAuth,
    Json(body): Json<NewKey>,
) -> HandlerResult<Response> {
    let scopes = body.scopes.map(|scopes| scopes.iter().copied().map(Into::into).collect());
    let NewKey { name, format, expires_in_days, .. } = body;
    let new = keys::NewKey { name, scopes, format: format.into(), expires_in_days };
    match (ctx, app.config.sign_up) {
        (Some(ctx), _) => {
            let made = keys::create(&ctx, new).await?;
            Ok(answer(Some(&ctx), made))
        }
        (None, SignUp::Open) => Ok(answer(None, keys::sign_up(&app.services.ports, new).await?)),
        (None, SignUp::Closed) => {
            let why = "sign-up is closed; make keys with a key that has the scope `keys:write`";
            Err(Error::Unauthenticated { why }.into())
        }
    }
}

fn answer(ctx: Option<&OpContext>, made: keys::MadeKey) -> Response {
    let location = format!("/v1/keys/{}", made.key.id);
    let body = MadeKey { key: (&made.key).into(), secret: made.secret.map(|s| s.reveal().to_owned()) };
    match ctx {
        Some(ctx) => created(ctx, StatusCode::CREATED, &location, &body),
        None => (StatusCode::CREATED, Json(body)).into_response(),
    }
}

/// List keys
///
/// Newest first, without their texts.
#[utoipa::path(get, path = "/v1/keys", tag = "keys", security(("key" = ["keys:write"])), params(PageParams),
    responses((status = 200, description = "Keys", body = Page<AccessKey>)))]
pub(super) async fn list(Auth(ctx): Auth, Query(query): Query<PageParams>) -> HandlerResult<Json<Page<AccessKey>>> {
    let page = page(&ctx, query.limit, query.cursor)?;
    Ok(Json(keys::list(&ctx, page).await?.view()))
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
