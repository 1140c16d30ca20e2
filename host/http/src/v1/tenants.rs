//! Tenants, for the operator of the server: make, list, look at.

use axum::http::StatusCode;
use axum::response::Response;
use portico_api::{MadeTenant, NewTenant, Page, Tenant};
use portico_core::Error;
use portico_core::access::keys::NewKey;
use portico_core::access::tenants;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{HandlerResult, created, keys};
use crate::api::App;
use crate::extract::path::TenantPath;
use crate::extract::query::{IdempotencyKey, PageParams, page};
use crate::extract::{Auth, Json, Query};

/// What the first key of a tenant is called unless told otherwise.
const FIRST_KEY: &str = "first key";

/// The routes of tenants.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(get))
}

/// Make a tenant
///
/// With its first key.
#[utoipa::path(post, path = "/v1/tenants", tag = "tenants", security(("key" = ["server:admin"])), params(IdempotencyKey), request_body = NewTenant,
    responses((status = 201, description = "The tenant and its key", body = MadeTenant)))]
pub(super) async fn create(Auth(ctx): Auth, Json(body): Json<NewTenant>) -> HandlerResult<Response> {
    let key = match body.key {
        Some(key) if key.device.is_some() => {
            return Err(Error::invalid("key.device", "must be left out: a fresh tenant has no devices").into());
        }
        Some(key) => keys::draft(key)?,
        None => NewKey { name: FIRST_KEY.to_owned(), ..NewKey::default() },
    };
    let made = tenants::create(&ctx, &body.name, key).await?;
    let location = format!("/v1/tenants/{}", made.tenant.id);
    Ok(created(&ctx, StatusCode::CREATED, &location, &made))
}

/// List tenants
///
/// Newest first.
#[utoipa::path(get, path = "/v1/tenants", tag = "tenants", security(("key" = ["server:admin"])), params(PageParams),
    responses((status = 200, description = "Tenants", body = Page<Tenant>)))]
pub(super) async fn list(Auth(ctx): Auth, Query(query): Query<PageParams>) -> HandlerResult<Json<Page<Tenant>>> {
    let page = page!(&ctx, query)?;
    Ok(Json(tenants::list(&ctx, page).await?.view()))
}

/// Look at a tenant
#[utoipa::path(get, path = "/v1/tenants/{id}", tag = "tenants", security(("key" = ["server:admin"])), params(TenantPath),
    responses((status = 200, description = "The tenant", body = Tenant)))]
pub(super) async fn get(Auth(ctx): Auth, path: TenantPath) -> HandlerResult<Json<Tenant>> {
    Ok(Json((&tenants::get(&ctx, &path.id).await?).into()))
}
