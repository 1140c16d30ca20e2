//! People in groups, and the invites that lead into them.

use axum::http::StatusCode;
use axum::response::Response;
use portico_api::{Group, GroupInvite, GroupMembers, InviteCode, JoinedGroup, MemberResults};
use portico_core::OpContext;
use portico_core::group::{self, INVITE_LINK, MemberAction};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{HandlerResult, answered};
use crate::api::App;
use crate::extract::path::{DevicePath, GroupPath, InvitePath};
use crate::extract::query::IdempotencyKey;
use crate::extract::{Auth, Json};

/// The routes of members and invites.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(add))
        .routes(routes!(remove))
        .routes(routes!(promote))
        .routes(routes!(demote))
        .routes(routes!(approve))
        .routes(routes!(reject))
        .routes(routes!(invite))
        .routes(routes!(revoke_invite))
        .routes(routes!(preview))
        .routes(routes!(accept))
}

/// Add people to a group
///
/// `results` tells what became of each: not on WhatsApp, a member already, or one who lets only contacts add them.
#[utoipa::path(post, path = "/v1/devices/{id}/groups/{group}/participants/add", tag = "groups", security(("key" = ["messages:write"])),
    params(GroupPath, IdempotencyKey), request_body = GroupMembers,
    responses((status = 200, description = "What became of each", body = MemberResults)))]
pub(super) async fn add(Auth(ctx): Auth, path: GroupPath, Json(body): Json<GroupMembers>) -> HandlerResult<Response> {
    act(&ctx, &path, MemberAction::Add, body).await
}

/// Remove members from a group
#[utoipa::path(post, path = "/v1/devices/{id}/groups/{group}/participants/remove", tag = "groups", security(("key" = ["messages:write"])),
    params(GroupPath, IdempotencyKey), request_body = GroupMembers,
    responses((status = 200, description = "What became of each", body = MemberResults)))]
pub(super) async fn remove(
    Auth(ctx): Auth,
    path: GroupPath,
    Json(body): Json<GroupMembers>,
) -> HandlerResult<Response> {
    act(&ctx, &path, MemberAction::Remove, body).await
}

/// Make members admins
#[utoipa::path(post, path = "/v1/devices/{id}/groups/{group}/participants/promote", tag = "groups", security(("key" = ["messages:write"])),
    params(GroupPath, IdempotencyKey), request_body = GroupMembers,
    responses((status = 200, description = "What became of each", body = MemberResults)))]
pub(super) async fn promote(
    Auth(ctx): Auth,
    path: GroupPath,
    Json(body): Json<GroupMembers>,
) -> HandlerResult<Response> {
    act(&ctx, &path, MemberAction::Promote, body).await
}

/// Make admins ordinary members
#[utoipa::path(post, path = "/v1/devices/{id}/groups/{group}/participants/demote", tag = "groups", security(("key" = ["messages:write"])),
    params(GroupPath, IdempotencyKey), request_body = GroupMembers,
    responses((status = 200, description = "What became of each", body = MemberResults)))]
pub(super) async fn demote(
    Auth(ctx): Auth,
    path: GroupPath,
    Json(body): Json<GroupMembers>,
) -> HandlerResult<Response> {
    act(&ctx, &path, MemberAction::Demote, body).await
}

/// Let people in who ask
#[utoipa::path(post, path = "/v1/devices/{id}/groups/{group}/requests/approve", tag = "groups", security(("key" = ["messages:write"])),
    params(GroupPath, IdempotencyKey), request_body = GroupMembers,
    responses((status = 200, description = "What became of each", body = MemberResults)))]
pub(super) async fn approve(
    Auth(ctx): Auth,
    path: GroupPath,
    Json(body): Json<GroupMembers>,
) -> HandlerResult<Response> {
    act(&ctx, &path, MemberAction::Approve, body).await
}

/// Refuse people who ask to be let in
#[utoipa::path(post, path = "/v1/devices/{id}/groups/{group}/requests/reject", tag = "groups", security(("key" = ["messages:write"])),
    params(GroupPath, IdempotencyKey), request_body = GroupMembers,
    responses((status = 200, description = "What became of each", body = MemberResults)))]
pub(super) async fn reject(
    Auth(ctx): Auth,
    path: GroupPath,
    Json(body): Json<GroupMembers>,
) -> HandlerResult<Response> {
    act(&ctx, &path, MemberAction::Reject, body).await
}

async fn act(ctx: &OpContext, path: &GroupPath, action: MemberAction, body: GroupMembers) -> HandlerResult<Response> {
    let results = group::act(ctx, &path.id, &path.group, action, body.participants.into_inner()).await?;
    let results = MemberResults { results: results.iter().map(Into::into).collect() };
    Ok(answered(ctx, StatusCode::OK, &results))
}

/// Look at a group's invite
///
/// Admins only. Who has the code can join.
#[utoipa::path(get, path = "/v1/devices/{id}/groups/{group}/invite", tag = "groups", security(("key" = ["messages:write"])),
    params(GroupPath),
    responses((status = 200, description = "The invite", body = GroupInvite)))]
pub(super) async fn invite(Auth(ctx): Auth, path: GroupPath) -> HandlerResult<Json<GroupInvite>> {
    Ok(Json(shown(group::code(&ctx, &path.id, &path.group).await?)))
}

/// Revoke a group's invite
///
/// The answer is the invite that takes its place.
#[utoipa::path(post, path = "/v1/devices/{id}/groups/{group}/invite/revoke", tag = "groups", security(("key" = ["messages:write"])),
    params(GroupPath, IdempotencyKey),
    responses((status = 200, description = "The new invite", body = GroupInvite)))]
pub(super) async fn revoke_invite(Auth(ctx): Auth, path: GroupPath) -> HandlerResult<Response> {
    let code = group::renew(&ctx, &path.id, &path.group).await?;
    Ok(answered(&ctx, StatusCode::OK, &shown(code)))
}

fn shown(code: String) -> GroupInvite {
    GroupInvite { link: format!("{INVITE_LINK}{code}"), code }
}

/// Look where an invite leads
#[utoipa::path(get, path = "/v1/devices/{id}/group-invites/{code}", tag = "groups", security(("key" = ["messages:read"])),
    params(InvitePath),
    responses((status = 200, description = "The group", body = Group)))]
pub(super) async fn preview(Auth(ctx): Auth, path: InvitePath) -> HandlerResult<Json<Group>> {
    Ok(Json((&group::preview(&ctx, &path.id, &path.code).await?).into()))
}

/// Accept an invite
///
/// Joins the group, or asks to be let in where an admin has to agree.
#[utoipa::path(post, path = "/v1/devices/{id}/group-invites", tag = "groups", security(("key" = ["messages:write"])),
    params(DevicePath, IdempotencyKey), request_body = InviteCode,
    responses((status = 200, description = "The group", body = JoinedGroup)))]
pub(super) async fn accept(Auth(ctx): Auth, path: DevicePath, Json(body): Json<InviteCode>) -> HandlerResult<Response> {
    let joined = group::accept(&ctx, &path.id, &body.code).await?;
    Ok(answered(&ctx, StatusCode::OK, &JoinedGroup::from(&joined)))
}
