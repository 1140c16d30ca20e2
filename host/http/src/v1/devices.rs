//! Devices: make, list, look at, change, delete.

use axum::http::StatusCode;
use axum::response::Response;
use portico_api::{BoundedMap, Device, DevicePatch, MadeDevice, NewDevice, NewDeviceWebhook, Page, Resources};
use portico_core::device::{create, lookup};
use portico_core::webhook::subscription::NewWebhook;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{HandlerResult, created};
use crate::api::App;
use crate::extract::path::DevicePath;
use crate::extract::query::{IdempotencyKey, checked_filter, page};
use crate::extract::{Auth, Json, Query};

/// The routes of devices.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(get, change, delete)).routes(routes!(resources))
}

/// Make a device
///
/// It has no session until it is connected. A webhook for its events can be made with it; that needs `webhooks:write` too.
#[utoipa::path(post, path = "/v1/devices", tag = "devices", security(("key" = ["devices:write"])), params(IdempotencyKey), request_body = NewDevice,
    responses((status = 201, description = "The device", body = MadeDevice)))]
pub(super) async fn create(Auth(ctx): Auth, Json(body): Json<NewDevice>) -> HandlerResult<Response> {
    let NewDevice { name, refs, settings, webhook } = body;
    let webhook = webhook.map(webhook_of);
    let new = create::NewDevice { name, refs: refs.into_inner(), settings, webhook };
    let made = create::create(&ctx, new).await?;
    let location = format!("/v1/devices/{}", made.device.id);
    Ok(created(&ctx, StatusCode::CREATED, &location, &made))
}

fn webhook_of(body: NewDeviceWebhook) -> NewWebhook {
    let NewDeviceWebhook { url, events, headers, format, format_data, secret } = body;
    let (events, headers) = (events.into_inner(), headers.into_inner());
    NewWebhook { device: None, url, events, headers, format, format_data, secret }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeviceParams {
    /// Only those with this ref, as `<namespace>:<value>`, or with any of a namespace, as `<namespace>`.
    #[serde(rename = "ref")]
    #[param(rename = "ref")]
    reference: Option<String>,
    /// Rows at most.
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// Rows that are passed over, instead of a `cursor`.
    offset: Option<u32>,
    /// Whether to count the rows of the whole list.
    total: Option<bool>,
}

/// List devices
///
/// Newest first.
#[utoipa::path(get, path = "/v1/devices", tag = "devices", security(("key" = ["devices:read"])), params(DeviceParams),
    responses((status = 200, description = "Devices", body = Page<Device>)))]
pub(super) async fn list(Auth(ctx): Auth, Query(query): Query<DeviceParams>) -> HandlerResult<Json<Page<Device>>> {
    let page = page!(&ctx, query)?;
    let named = checked_filter("ref", query.reference)?.map(|text| match text.split_once(':') {
        Some((namespace, value)) => (namespace.to_owned(), Some(value.to_owned())),
        None => (text, None),
    });
    Ok(Json(lookup::list(&ctx, named, page).await?.view()))
}

/// Look at a device
#[utoipa::path(get, path = "/v1/devices/{id}", tag = "devices", security(("key" = ["devices:read"])), params(DevicePath),
    responses((status = 200, description = "The device", body = Device)))]
pub(super) async fn get(Auth(ctx): Auth, path: DevicePath) -> HandlerResult<Json<Device>> {
    Ok(Json((&lookup::get(&ctx, &path.id).await?).into()))
}

/// Change a device
///
/// Its name, its refs, its settings.
#[utoipa::path(patch, path = "/v1/devices/{id}", tag = "devices", security(("key" = ["devices:write"])), params(DevicePath),
    request_body = DevicePatch, responses((status = 200, description = "The device", body = Device)))]
pub(super) async fn change(
    Auth(ctx): Auth,
    path: DevicePath,
    Json(body): Json<DevicePatch>,
) -> HandlerResult<Json<Device>> {
    let DevicePatch { name, refs, settings } = body;
    let patch = create::DevicePatch { name, refs: refs.map(BoundedMap::into_inner), settings };
    Ok(Json((&create::change(&ctx, &path.id, patch).await?).into()))
}

/// Delete a device
///
/// Unlinks it at WhatsApp if it is linked, and removes everything stored about it.
#[utoipa::path(delete, path = "/v1/devices/{id}", tag = "devices", security(("key" = ["devices:write"])), params(DevicePath),
    responses((status = 204, description = "It is gone")))]
pub(super) async fn delete(Auth(ctx): Auth, path: DevicePath) -> HandlerResult<StatusCode> {
    create::delete(&ctx, &path.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// See what a session costs
///
/// Frames, bytes, reconnects and memory of the running session; zeros when none runs.
#[utoipa::path(get, path = "/v1/devices/{id}/resources", tag = "devices", security(("key" = ["devices:read"])),
    params(DevicePath),
    responses((status = 200, description = "The figures", body = Resources)))]
pub(super) async fn resources(Auth(ctx): Auth, path: DevicePath) -> HandlerResult<Json<Resources>> {
    Ok(Json((&lookup::resources(&ctx, &path.id).await?).into()))
}
