//! Plugins: what is installed, installing and removing.

use axum::http::StatusCode;
use axum::response::Response;
use portico_api::{Page, Plugin, PluginOffer, PluginVersion};
use portico_core::plugin::{effective, install, offer};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{HandlerResult, created};
use crate::api::App;
use crate::extract::path::PluginPath;
use crate::extract::query::IdempotencyKey;
use crate::extract::{Auth, Component, Json};

/// The routes of plugins.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, install)).routes(routes!(get, remove)).routes(routes!(versions))
}

/// List plugins
///
/// What this tenant may use, by id: for `format` of webhooks, to see where dialects are served, what each plugin asks for and
/// why, and whether it is on.
#[utoipa::path(get, path = "/v1/plugins", tag = "plugins", security(("key" = [])),
    responses((status = 200, description = "Plugins", body = Page<Plugin>)))]
pub(super) async fn list(Auth(ctx): Auth) -> HandlerResult<Json<Page<Plugin>>> {
    let items = effective::list(&ctx, None).await?.iter().map(Into::into).collect();
    Ok(Json(Page { items, next: None, total: None }))
}

/// Install a plugin, or a new version of one
///
/// The body is the component, as `portico-pack build` makes it. It is checked, compiled apart from the gateway and tried out;
/// then it is the current version, for calls that begin from then on. A plugin that is new is offered to everybody and off.
#[utoipa::path(post, path = "/v1/plugins", tag = "plugins", security(("key" = ["server:admin"])), params(IdempotencyKey),
    request_body(content = Vec<u8>, content_type = "application/wasm", description = "The component"),
    responses((status = 201, description = "The offer", body = PluginOffer)))]
pub(super) async fn install(Auth(ctx): Auth, Component(bytes): Component) -> HandlerResult<Response> {
    let offer = install::install(&ctx, bytes).await?;
    let location = format!("/v1/plugins/{}", offer.plugin);
    Ok(created(&ctx, StatusCode::CREATED, &location, &offer))
}

/// Look at a plugin
#[utoipa::path(get, path = "/v1/plugins/{id}", tag = "plugins", security(("key" = ["devices:read"])), params(PluginPath),
    responses((status = 200, description = "The plugin", body = Plugin)))]
pub(super) async fn get(Auth(ctx): Auth, path: PluginPath) -> HandlerResult<Json<Plugin>> {
    Ok(Json((&effective::get(&ctx, None, &path.id).await?).into()))
}

/// Remove a plugin
///
/// With all its versions. What tenants decided about it stays, for the case that it comes back.
#[utoipa::path(delete, path = "/v1/plugins/{id}", tag = "plugins", security(("key" = ["server:admin"])), params(PluginPath),
    responses((status = 204, description = "It is gone")))]
pub(super) async fn remove(Auth(ctx): Auth, path: PluginPath) -> HandlerResult<StatusCode> {
    offer::remove(&ctx, &path.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List the versions of a plugin
///
/// Those that are installed, newest first.
#[utoipa::path(get, path = "/v1/plugins/{id}/versions", tag = "plugins", security(("key" = ["server:admin"])), params(PluginPath),
    responses((status = 200, description = "Versions", body = Page<PluginVersion>)))]
pub(super) async fn versions(Auth(ctx): Auth, path: PluginPath) -> HandlerResult<Json<Page<PluginVersion>>> {
    let items = offer::versions(&ctx, &path.id).await?.iter().map(Into::into).collect();
    Ok(Json(Page { items, next: None, total: None }))
}
