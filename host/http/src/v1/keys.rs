//! Keys: make, list, revoke.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use portico_core::access::keys::{self, MadeKey, NewKey};
use portico_core::access::secret::KeyFormat;
use portico_core::access::{AccessKey, Scope};
use portico_core::page::Page;
use portico_core::{Error, OpContext};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{HandlerResult, created};
use crate::api::App;
use crate::config::SignUp;
use crate::extract::query::{IdempotencyKey, PageParams, page};
use crate::extract::{Auth, Ids, Json, OptionalAuth, Query};

/// What a key is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewKey)]
pub(crate) struct NewKeyBody {
    /// What it is for, in your words.
    #[schema(example = "order notifications")]
    name: String,
    /// What it may do, at most what the caller may; absent: devices, messages and webhooks.
    scopes: Option<Vec<Scope>>,
    /// How its text is spelled.
    #[serde(default)]
    format: KeyFormat,
    /// Days until it stops working; absent: never.
    expires_in_days: Option<u32>,
}

/// A key with its text.
#[derive(Serialize, ToSchema)]
#[schema(as = MadeKey)]
pub(crate) struct MadeKeyBody {
    #[serde(flatten)]
    key: AccessKey,
    /// Its text, shown this once; absent when the request only repeated an earlier one.
    #[serde(rename = "key", skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

/// Make a key
///
/// Its text is shown once. Without credentials this works only where the operator opened sign-up: then it makes a tenant of
/// its own with one key.
#[utoipa::path(post, path = "/v1/keys", tag = "keys", security(("key" = ["keys:write"])), params(IdempotencyKey), request_body = NewKeyBody,
    responses((status = 201, description = "The key", body = MadeKeyBody)))]
pub(super) async fn create(
    State(app): State<App>,
    OptionalAuth(ctx): OptionalAuth,
    Json(body): Json<NewKeyBody>,
) -> HandlerResult<Response> {
    let NewKeyBody { name, scopes, format, expires_in_days } = body;
    let new = NewKey { name, scopes, format, expires_in_days };
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

fn answer(ctx: Option<&OpContext>, key: MadeKey) -> Response {
    let location = format!("/v1/keys/{}", key.key.id);
    let body = MadeKeyBody { key: key.key, secret: key.secret.map(|s| s.reveal().to_owned()) };
    match ctx {
        Some(ctx) => created(ctx, StatusCode::CREATED, &location, &body),
        None => axum::response::IntoResponse::into_response((StatusCode::CREATED, Json(body))),
    }
}

/// List keys
///
/// Newest first, without their texts.
#[utoipa::path(get, path = "/v1/keys", tag = "keys", security(("key" = ["keys:write"])), params(PageParams),
    responses((status = 200, description = "Keys", body = Page<AccessKey>)))]
pub(super) async fn list(Auth(ctx): Auth, Query(query): Query<PageParams>) -> HandlerResult<Json<Page<AccessKey>>> {
    let page = page(&ctx, query.limit, query.cursor)?;
    Ok(Json(keys::list(&ctx, page).await?))
}

/// Revoke a key
///
/// It stops working at once, also in open event streams. Repeating it changes nothing.
#[utoipa::path(delete, path = "/v1/keys/{id}", tag = "keys", security(("key" = ["keys:write"])), params(("id" = String, Path, description = "The key's id")),
    responses((status = 204, description = "It is revoked")))]
pub(super) async fn revoke(Auth(ctx): Auth, ids: Ids) -> HandlerResult<StatusCode> {
    keys::revoke(&ctx, &ids.key()?).await?;
    Ok(StatusCode::NO_CONTENT)
}
