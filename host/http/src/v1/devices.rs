//! Devices: make, list, look at, rename, delete.

use axum::Json;
use axum::http::StatusCode;
use axum::response::Response;
use portico_core::device::{Device, create, lookup};
use portico_core::page::Page;
use portico_core::ports::sessions::Resources;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Answer, made};
use crate::extract::params::{IdempotencyKey, PageParams, page};
use crate::extract::{As, Given, Ids, Params};

/// A device's name.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeviceName {
    /// What you call it.
    #[schema(example = "sales")]
    name: String,
}

/// Make a device
///
/// It has no session until it is connected.
#[utoipa::path(post, path = "/v1/devices", tag = "devices", params(IdempotencyKey), request_body = DeviceName,
    responses((status = 201, description = "The device", body = Device)))]
pub(super) async fn create(As(ctx): As, Given(body): Given<DeviceName>) -> Answer<Response> {
    let device = create::create(&ctx, &body.name).await?;
    Ok(made(&ctx, StatusCode::CREATED, &format!("/v1/devices/{}", device.id), &device))
}

/// List devices
///
/// Newest first.
#[utoipa::path(get, path = "/v1/devices", tag = "devices", params(PageParams),
    responses((status = 200, description = "Devices", body = Page<Device>)))]
pub(super) async fn list(As(ctx): As, Params(query): Params<PageParams>) -> Answer<Json<Page<Device>>> {
    let page = page(&ctx, query.limit, query.cursor)?;
    Ok(Json(lookup::list(&ctx, page).await?))
}

/// Look at a device
#[utoipa::path(get, path = "/v1/devices/{id}", tag = "devices", params(("id" = String, Path, description = "The device's id")),
    responses((status = 200, description = "The device", body = Device)))]
pub(super) async fn get(As(ctx): As, ids: Ids) -> Answer<Json<Device>> {
    Ok(Json(lookup::get(&ctx, &ids.device()?).await?))
}

/// Rename a device
#[utoipa::path(patch, path = "/v1/devices/{id}", tag = "devices", params(("id" = String, Path, description = "The device's id")),
    request_body = DeviceName, responses((status = 200, description = "The device", body = Device)))]
pub(super) async fn rename(As(ctx): As, ids: Ids, Given(body): Given<DeviceName>) -> Answer<Json<Device>> {
    Ok(Json(create::rename(&ctx, &ids.device()?, &body.name).await?))
}

/// Delete a device
///
/// Unlinks it at WhatsApp if it is linked, and removes everything stored about it.
#[utoipa::path(delete, path = "/v1/devices/{id}", tag = "devices", params(("id" = String, Path, description = "The device's id")),
    responses((status = 204, description = "It is gone")))]
pub(super) async fn delete(As(ctx): As, ids: Ids) -> Answer<StatusCode> {
    create::delete(&ctx, &ids.device()?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// See what a session costs
///
/// Frames, bytes, reconnects and memory of the running session; zeros when none runs.
#[utoipa::path(get, path = "/v1/devices/{id}/resources", tag = "devices",
    params(("id" = String, Path, description = "The device's id")),
    responses((status = 200, description = "The figures", body = Resources)))]
pub(super) async fn resources(As(ctx): As, ids: Ids) -> Answer<Json<Resources>> {
    Ok(Json(lookup::resources(&ctx, &ids.device()?).await?))
}
