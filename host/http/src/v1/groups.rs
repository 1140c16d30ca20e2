//! Groups: WhatsApp is asked at each request, and what it refuses is told as a problem.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use portico_api::{Group, GroupPatch, JoinRequests, MadeGroup, MediaRef, NewGroup, NewMediaContent, Page};
use portico_core::group::{self, Patch};
use portico_core::media::MediaKind;
use portico_core::message::file::NewFile;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{HandlerResult, created};
use crate::api::App;
use crate::concurrency::{Lease, fetch_permit};
use crate::extract::path::{DevicePath, GroupPath};
use crate::extract::query::{IdempotencyKey, PageParams, page};
use crate::extract::{Auth, Json, Query};

/// The routes of groups.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get, change))
        .routes(routes!(set_picture, remove_picture))
        .routes(routes!(requests))
        .routes(routes!(leave))
}

/// List groups
///
/// Those the account is in, as WhatsApp tells of them now.
#[utoipa::path(get, path = "/v1/devices/{id}/groups", tag = "groups", security(("key" = ["messages:read"])),
    params(DevicePath, PageParams),
    responses((status = 200, description = "Groups", body = Page<Group>)))]
pub(super) async fn list(
    Auth(ctx): Auth,
    path: DevicePath,
    Query(query): Query<PageParams>,
) -> HandlerResult<Json<Page<Group>>> {
    let page = page!(&ctx, query)?;
    Ok(Json(group::list(&ctx, &path.id, page).await?.view()))
}

/// Make a group
///
/// `results` tells what became of each of those it was made with: some are not on WhatsApp, some let only their contacts add
/// them.
#[utoipa::path(post, path = "/v1/devices/{id}/groups", tag = "groups", security(("key" = ["messages:write"])),
    params(DevicePath, IdempotencyKey), request_body = NewGroup,
    responses((status = 201, description = "The group", body = MadeGroup)))]
pub(super) async fn create(Auth(ctx): Auth, path: DevicePath, Json(body): Json<NewGroup>) -> HandlerResult<Response> {
    let NewGroup { subject, participants, description, ephemeral_s } = body;
    let new = group::NewGroup { subject, description, ephemeral_s, members: participants.into_inner() };
    let made = group::create(&ctx, &path.id, new).await?;
    let location = format!("/v1/devices/{}/groups/{}", path.id, made.group.id);
    Ok(created(&ctx, StatusCode::CREATED, &location, &MadeGroup::from(&made)))
}

/// Look at a group
#[utoipa::path(get, path = "/v1/devices/{id}/groups/{group}", tag = "groups", security(("key" = ["messages:read"])),
    params(GroupPath),
    responses((status = 200, description = "The group", body = Group)))]
pub(super) async fn get(Auth(ctx): Auth, path: GroupPath) -> HandlerResult<Json<Group>> {
    Ok(Json((&group::get(&ctx, &path.id, &path.group).await?).into()))
}

/// Change a group
///
/// Name, description and settings. WhatsApp takes one change at a time: they are made in the order in which they are
/// documented, and when one is refused, those before it are made already.
#[utoipa::path(patch, path = "/v1/devices/{id}/groups/{group}", tag = "groups", security(("key" = ["messages:write"])),
    params(GroupPath), request_body = GroupPatch,
    responses((status = 200, description = "The group as it is now", body = Group)))]
pub(super) async fn change(
    Auth(ctx): Auth,
    path: GroupPath,
    Json(body): Json<GroupPatch>,
) -> HandlerResult<Json<Group>> {
    let GroupPatch { subject, description, announce, locked, ephemeral_s, join_approval, member_add } = body;
    let member_add = member_add.map(Into::into);
    let patch = Patch { subject, description, announce, locked, ephemeral_s, join_approval, member_add };
    Ok(Json((&group::patch(&ctx, &path.id, &path.group, patch).await?).into()))
}

/// Give a group a picture
///
/// A JPEG, PNG or WebP; its middle is shown.
#[utoipa::path(put, path = "/v1/devices/{id}/groups/{group}/picture", tag = "groups", security(("key" = ["messages:write"])),
    params(GroupPath), request_body = MediaRef,
    responses((status = 204, description = "The group shows it")))]
pub(super) async fn set_picture(
    State(app): State<App>,
    Auth(ctx): Auth,
    lease: Lease,
    path: GroupPath,
    Json(body): Json<MediaRef>,
) -> HandlerResult<StatusCode> {
    let fetching = body.url.is_some().then(|| fetch_permit(&app, ctx.tenant(), &lease)).transpose()?;
    let file = NewFile::parse(MediaKind::Image, NewMediaContent { media: body, caption: None })?;
    group::picture(&ctx, &path.id, &path.group, Some(file)).await?;
    drop(fetching);
    Ok(StatusCode::NO_CONTENT)
}

/// Take a group's picture away
#[utoipa::path(delete, path = "/v1/devices/{id}/groups/{group}/picture", tag = "groups", security(("key" = ["messages:write"])),
    params(GroupPath),
    responses((status = 204, description = "The group shows none")))]
pub(super) async fn remove_picture(Auth(ctx): Auth, path: GroupPath) -> HandlerResult<StatusCode> {
    group::picture(&ctx, &path.id, &path.group, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List those who ask to be let into a group
#[utoipa::path(get, path = "/v1/devices/{id}/groups/{group}/requests", tag = "groups", security(("key" = ["messages:read"])),
    params(GroupPath),
    responses((status = 200, description = "All of them", body = JoinRequests)))]
pub(super) async fn requests(Auth(ctx): Auth, path: GroupPath) -> HandlerResult<Json<JoinRequests>> {
    let requests = group::requests(&ctx, &path.id, &path.group).await?;
    Ok(Json(JoinRequests { items: requests.iter().map(Into::into).collect() }))
}

/// Leave a group
#[utoipa::path(post, path = "/v1/devices/{id}/groups/{group}/leave", tag = "groups", security(("key" = ["messages:write"])),
    params(GroupPath, IdempotencyKey),
    responses((status = 204, description = "The account is not in it any more")))]
pub(super) async fn leave(Auth(ctx): Auth, path: GroupPath) -> HandlerResult<StatusCode> {
    group::leave(&ctx, &path.id, &path.group).await?;
    Ok(StatusCode::NO_CONTENT)
}
