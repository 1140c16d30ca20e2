//! What tenants decide about plugins, for all their devices or for one: on or off, settings, grants.

use axum::http::StatusCode;
use portico_api::{EffectivePlugin, NewPluginEnablement, Page, PluginEnablement, PluginEnablementPatch};
use portico_core::plugin::effective;
use portico_core::plugin::enablement::{self, EnablementChange, SettingsChange};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::HandlerResult;
use crate::api::App;
use crate::extract::path::{DevicePath, DevicePluginPath, PluginPath};
use crate::extract::{Auth, Json};

/// The routes of enablements.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(enablement, decide, change_enablement, take_back))
        .routes(routes!(effective_of_tenant))
        .routes(routes!(list_of_device))
        .routes(routes!(enablement_of_device, decide_of_device, change_of_device, take_back_of_device))
        .routes(routes!(effective_of_device))
}

fn whole(body: NewPluginEnablement) -> EnablementChange {
    let NewPluginEnablement { state, settings, grants, position, on_failure, revision } = body;
    EnablementChange {
        state: Some(state.into()),
        settings: Some(SettingsChange::Replace(settings)),
        grants: Some(grants.map(|list| list.into_inner().into_iter().map(Into::into).collect())),
        position: Some(position),
        on_failure: Some(on_failure.map(Into::into)),
        revision,
    }
}

fn part(body: PluginEnablementPatch) -> EnablementChange {
    let PluginEnablementPatch { state, settings, grants, position, on_failure, revision } = body;
    EnablementChange {
        state: state.map(Into::into),
        settings: settings.map(SettingsChange::Merge),
        grants: grants.map(|list| list.map(|list| list.into_inner().into_iter().map(Into::into).collect())),
        position,
        on_failure: on_failure.map(|rule| rule.map(Into::into)),
        revision,
    }
}

/// Look at what the tenant decided about a plugin
#[utoipa::path(get, path = "/v1/plugins/{id}/enablement", tag = "plugins", security(("key" = ["devices:read"])), params(PluginPath),
    responses((status = 200, description = "The enablement", body = PluginEnablement)))]
pub(super) async fn enablement(Auth(ctx): Auth, path: PluginPath) -> HandlerResult<Json<PluginEnablement>> {
    Ok(Json((&enablement::get(&ctx, None, &path.id).await?).into()))
}

/// Decide about a plugin for the tenant
///
/// The whole enablement; secret settings that are absent keep their values.
#[utoipa::path(put, path = "/v1/plugins/{id}/enablement", tag = "plugins", security(("key" = ["devices:write"])), params(PluginPath),
    request_body = NewPluginEnablement, responses((status = 200, description = "The enablement", body = PluginEnablement)))]
pub(super) async fn decide(
    Auth(ctx): Auth,
    path: PluginPath,
    Json(body): Json<NewPluginEnablement>,
) -> HandlerResult<Json<PluginEnablement>> {
    Ok(Json((&enablement::change(&ctx, None, &path.id, whole(body)).await?).into()))
}

/// Change what the tenant decided about a plugin
#[utoipa::path(patch, path = "/v1/plugins/{id}/enablement", tag = "plugins", security(("key" = ["devices:write"])), params(PluginPath),
    request_body = PluginEnablementPatch,
    responses((status = 200, description = "The enablement", body = PluginEnablement)))]
pub(super) async fn change_enablement(
    Auth(ctx): Auth,
    path: PluginPath,
    Json(body): Json<PluginEnablementPatch>,
) -> HandlerResult<Json<PluginEnablement>> {
    Ok(Json((&enablement::change(&ctx, None, &path.id, part(body)).await?).into()))
}

/// Take back what the tenant decided about a plugin
///
/// Settings and secret settings go with it.
#[utoipa::path(delete, path = "/v1/plugins/{id}/enablement", tag = "plugins", security(("key" = ["devices:write"])), params(PluginPath),
    responses((status = 204, description = "It is gone")))]
pub(super) async fn take_back(Auth(ctx): Auth, path: PluginPath) -> HandlerResult<StatusCode> {
    enablement::remove(&ctx, None, &path.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// See what holds of a plugin for the tenant, and why
#[utoipa::path(get, path = "/v1/plugins/{id}/effective", tag = "plugins", security(("key" = ["devices:read"])), params(PluginPath),
    responses((status = 200, description = "What holds", body = EffectivePlugin)))]
pub(super) async fn effective_of_tenant(Auth(ctx): Auth, path: PluginPath) -> HandlerResult<Json<EffectivePlugin>> {
    Ok(Json((&effective::get(&ctx, None, &path.id).await?).into()))
}

/// List the plugins of a device
///
/// Those that its tenant may use, as they hold for the device.
#[utoipa::path(get, path = "/v1/devices/{id}/plugins", tag = "plugins", security(("key" = ["devices:read"])), params(DevicePath),
    responses((status = 200, description = "What holds", body = Page<EffectivePlugin>)))]
pub(super) async fn list_of_device(Auth(ctx): Auth, path: DevicePath) -> HandlerResult<Json<Page<EffectivePlugin>>> {
    let items = effective::list(&ctx, Some(&path.id)).await?.iter().map(Into::into).collect();
    Ok(Json(Page { items, next: None, total: None }))
}

/// Look at what a device decided about a plugin
#[utoipa::path(get, path = "/v1/devices/{id}/plugins/{plugin}", tag = "plugins", security(("key" = ["devices:read"])), params(DevicePluginPath),
    responses((status = 200, description = "The enablement", body = PluginEnablement)))]
pub(super) async fn enablement_of_device(
    Auth(ctx): Auth,
    path: DevicePluginPath,
) -> HandlerResult<Json<PluginEnablement>> {
    Ok(Json((&enablement::get(&ctx, Some(&path.id), &path.plugin).await?).into()))
}

/// Decide about a plugin for a device
///
/// The whole enablement; secret settings that are absent keep their values.
#[utoipa::path(put, path = "/v1/devices/{id}/plugins/{plugin}", tag = "plugins", security(("key" = ["devices:write"])), params(DevicePluginPath),
    request_body = NewPluginEnablement, responses((status = 200, description = "The enablement", body = PluginEnablement)))]
pub(super) async fn decide_of_device(
    Auth(ctx): Auth,
    path: DevicePluginPath,
    Json(body): Json<NewPluginEnablement>,
) -> HandlerResult<Json<PluginEnablement>> {
    Ok(Json((&enablement::change(&ctx, Some(&path.id), &path.plugin, whole(body)).await?).into()))
}

/// Change what a device decided about a plugin
#[utoipa::path(patch, path = "/v1/devices/{id}/plugins/{plugin}", tag = "plugins", security(("key" = ["devices:write"])), params(DevicePluginPath),
    request_body = PluginEnablementPatch,
    responses((status = 200, description = "The enablement", body = PluginEnablement)))]
pub(super) async fn change_of_device(
    Auth(ctx): Auth,
    path: DevicePluginPath,
    Json(body): Json<PluginEnablementPatch>,
) -> HandlerResult<Json<PluginEnablement>> {
    Ok(Json((&enablement::change(&ctx, Some(&path.id), &path.plugin, part(body)).await?).into()))
}

/// Take back what a device decided about a plugin
///
/// Settings and secret settings go with it.
#[utoipa::path(delete, path = "/v1/devices/{id}/plugins/{plugin}", tag = "plugins", security(("key" = ["devices:write"])), params(DevicePluginPath),
    responses((status = 204, description = "It is gone")))]
pub(super) async fn take_back_of_device(Auth(ctx): Auth, path: DevicePluginPath) -> HandlerResult<StatusCode> {
    enablement::remove(&ctx, Some(&path.id), &path.plugin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// See what holds of a plugin for a device, and why
#[utoipa::path(get, path = "/v1/devices/{id}/plugins/{plugin}/effective", tag = "plugins", security(("key" = ["devices:read"])), params(DevicePluginPath),
    responses((status = 200, description = "What holds", body = EffectivePlugin)))]
pub(super) async fn effective_of_device(
    Auth(ctx): Auth,
    path: DevicePluginPath,
) -> HandlerResult<Json<EffectivePlugin>> {
    Ok(Json((&effective::get(&ctx, Some(&path.id), &path.plugin).await?).into()))
}
