//! Members: make, list, look at, change, remove, assign devices.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use portico_api::{BoundedVec, MEMBER_DEVICES_MAX, Member, MemberPatch, NewMember, Page};
use portico_core::access::users::Password;
use portico_core::id::DeviceId;
use portico_core::member::{self, Assignment};
use portico_core::{Error, OpContext};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{HandlerResult, created};
use crate::api::App;
use crate::extract::path::{MemberDevicePath, MemberPath};
use crate::extract::query::{IdempotencyKey, PageParams, page};
use crate::extract::{Auth, Json, Query, device};

/// The routes of members.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get, change, remove))
        .routes(routes!(assign, take_away))
}

/// The devices that a list names.
async fn devices(
    ctx: &OpContext,
    app: &App,
    list: Option<BoundedVec<String, MEMBER_DEVICES_MAX>>,
) -> Result<Option<Vec<DeviceId>>, Error> {
    let Some(list) = list else { return Ok(None) };
    let mut devices = Vec::with_capacity(list.len());
    for (at, text) in list.into_inner().into_iter().enumerate() {
        devices.extend(device(ctx, app, &format!("devices[{at}]"), Some(text)).await?);
    }
    Ok(Some(devices))
}

/// Make a member
///
/// A user who can log in at once with the mobile number or the e-mail address, and the password. Nobody makes a member who
/// could do more than the maker; a manager makes agents.
#[utoipa::path(post, path = "/v1/members", tag = "members", security(("key" = ["members:write"])), params(IdempotencyKey),
    request_body = NewMember, responses((status = 201, description = "The member", body = Member)))]
pub(super) async fn create(
    State(app): State<App>,
    Auth(ctx): Auth,
    Json(body): Json<NewMember>,
) -> HandlerResult<Response> {
    let devices = devices(&ctx, &app, body.devices).await?.unwrap_or_default();
    let NewMember { name, mobile, email, password, role, .. } = body;
    let new = member::NewMember { name, mobile, email, password: Password::from(password), role: role.into(), devices };
    let made = member::create(&ctx, new).await?;
    let location = format!("/v1/members/{}", made.id);
    Ok(created(&ctx, StatusCode::CREATED, &location, &made))
}

/// List members
///
/// Newest first.
#[utoipa::path(get, path = "/v1/members", tag = "members", security(("key" = ["members:write"])), params(PageParams),
    responses((status = 200, description = "Members", body = Page<Member>)))]
pub(super) async fn list(Auth(ctx): Auth, Query(query): Query<PageParams>) -> HandlerResult<Json<Page<Member>>> {
    let page = page!(&ctx, query)?;
    Ok(Json(member::list(&ctx, page).await?.view()))
}

/// Look at a member
#[utoipa::path(get, path = "/v1/members/{id}", tag = "members", security(("key" = ["members:write"])), params(MemberPath),
    responses((status = 200, description = "The member", body = Member)))]
pub(super) async fn get(Auth(ctx): Auth, path: MemberPath) -> HandlerResult<Json<Member>> {
    Ok(Json((&member::get(&ctx, &path.id).await?).into()))
}

/// Change a member
///
/// The role, and the devices that are assigned. It counts from the member's next request on, also in logins made before. The
/// last member who may do everything of the tenant keeps its role.
#[utoipa::path(patch, path = "/v1/members/{id}", tag = "members", security(("key" = ["members:write"])), params(MemberPath),
    request_body = MemberPatch, responses((status = 200, description = "The member", body = Member)))]
pub(super) async fn change(
    State(app): State<App>,
    Auth(ctx): Auth,
    path: MemberPath,
    Json(body): Json<MemberPatch>,
) -> HandlerResult<Json<Member>> {
    let devices = devices(&ctx, &app, body.devices).await?;
    let patch = member::MemberPatch { role: body.role.map(Into::into), devices };
    Ok(Json((&member::change(&ctx, &path.id, patch).await?).into()))
}

/// Remove a member
///
/// Its logins end at once. Keys that it made stay: they are the tenant's.
#[utoipa::path(delete, path = "/v1/members/{id}", tag = "members", security(("key" = ["members:write"])), params(MemberPath),
    responses((status = 204, description = "It is gone")))]
pub(super) async fn remove(Auth(ctx): Auth, path: MemberPath) -> HandlerResult<StatusCode> {
    member::remove(&ctx, &path.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Assign a device to a member
///
/// To an agent or a viewer, who reach no others. Repeating it changes nothing.
#[utoipa::path(put, path = "/v1/members/{id}/devices/{device}", tag = "members", security(("key" = ["members:write"])),
    params(MemberDevicePath), responses((status = 200, description = "The member", body = Member)))]
pub(super) async fn assign(Auth(ctx): Auth, path: MemberDevicePath) -> HandlerResult<Json<Member>> {
    Ok(Json((&member::assign(&ctx, &path.id, &path.device, Assignment::Give).await?).into()))
}

/// Take a device away from a member
///
/// Repeating it changes nothing.
#[utoipa::path(delete, path = "/v1/members/{id}/devices/{device}", tag = "members", security(("key" = ["members:write"])),
    params(MemberDevicePath), responses((status = 200, description = "The member", body = Member)))]
pub(super) async fn take_away(Auth(ctx): Auth, path: MemberDevicePath) -> HandlerResult<Json<Member>> {
    Ok(Json((&member::assign(&ctx, &path.id, &path.device, Assignment::Take).await?).into()))
}
