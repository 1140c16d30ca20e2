//! People: WhatsApp is asked at each request.

use axum::http::StatusCode;
use portico_api::{BlockedContacts, CheckContacts, CheckedContacts, Page, Party, Person, PictureUrl};
use portico_core::contact;
use portico_core::ports::whatsapp::PictureSize;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::HandlerResult;
use crate::api::App;
use crate::extract::path::{ChatPath, ContactPath, DevicePath};
use crate::extract::query::{IdempotencyKey, PageParams, page};
use crate::extract::{Auth, Json, Query};

/// The routes of contacts.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(check))
        .routes(routes!(get))
        .routes(routes!(picture))
        .routes(routes!(block))
        .routes(routes!(unblock))
        .routes(routes!(blocked))
        .routes(routes!(lids))
        .routes(routes!(names))
}

/// Check who is on WhatsApp
///
/// Asks for all of them at once. `party` has the number WhatsApp knows the account by.
#[utoipa::path(post, path = "/v1/devices/{id}/contacts/check", tag = "contacts", security(("key" = ["messages:read"])),
    params(DevicePath), request_body = CheckContacts,
    responses((status = 200, description = "One result for each", body = CheckedContacts)))]
pub(super) async fn check(
    Auth(ctx): Auth,
    path: DevicePath,
    Json(body): Json<CheckContacts>,
) -> HandlerResult<Json<CheckedContacts>> {
    let checked = contact::check(&ctx, &path.id, body.contacts.into_inner()).await?;
    Ok(Json(CheckedContacts { results: checked.iter().map(Into::into).collect() }))
}

/// Look at a contact
///
/// What the person shows to the account now.
#[utoipa::path(get, path = "/v1/devices/{id}/contacts/{contact}", tag = "contacts", security(("key" = ["messages:read"])),
    params(ContactPath),
    responses((status = 200, description = "The contact", body = Person)))]
pub(super) async fn get(Auth(ctx): Auth, path: ContactPath) -> HandlerResult<Json<Person>> {
    Ok(Json((&contact::get(&ctx, &path.id, &path.contact.0).await?).into()))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PictureParams {
    /// Whether a small picture will do.
    preview: Option<bool>,
}

/// Find the picture of a chat
///
/// That of a person or a group.
#[utoipa::path(get, path = "/v1/devices/{id}/chats/{chat}/picture", tag = "contacts", security(("key" = ["messages:read"])),
    params(ChatPath, PictureParams),
    responses((status = 200, description = "Where it can be fetched", body = PictureUrl)))]
pub(super) async fn picture(
    Auth(ctx): Auth,
    path: ChatPath,
    Query(query): Query<PictureParams>,
) -> HandlerResult<Json<PictureUrl>> {
    let size = if query.preview == Some(true) { PictureSize::Preview } else { PictureSize::Full };
    Ok(Json((&contact::picture(&ctx, &path.id, &path.chat, size).await?).into()))
}

/// Block a contact
///
/// What the person writes does not come any more.
#[utoipa::path(post, path = "/v1/devices/{id}/contacts/{contact}/block", tag = "contacts", security(("key" = ["messages:write"])),
    params(ContactPath, IdempotencyKey),
    responses((status = 204, description = "The person is blocked")))]
pub(super) async fn block(Auth(ctx): Auth, path: ContactPath) -> HandlerResult<StatusCode> {
    contact::block(&ctx, &path.id, &path.contact.0).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Unblock a contact
#[utoipa::path(post, path = "/v1/devices/{id}/contacts/{contact}/unblock", tag = "contacts", security(("key" = ["messages:write"])),
    params(ContactPath, IdempotencyKey),
    responses((status = 204, description = "The person is not blocked")))]
pub(super) async fn unblock(Auth(ctx): Auth, path: ContactPath) -> HandlerResult<StatusCode> {
    contact::unblock(&ctx, &path.id, &path.contact.0).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List blocked contacts
#[utoipa::path(get, path = "/v1/devices/{id}/blocked", tag = "contacts", security(("key" = ["messages:read"])),
    params(DevicePath),
    responses((status = 200, description = "All of them", body = BlockedContacts)))]
pub(super) async fn blocked(Auth(ctx): Auth, path: DevicePath) -> HandlerResult<Json<BlockedContacts>> {
    let blocked = contact::blocked(&ctx, &path.id).await?;
    Ok(Json(BlockedContacts { items: blocked.iter().map(Into::into).collect() }))
}

/// List known LIDs
///
/// People of whom the device knows both number and LID. WhatsApp is not asked.
#[utoipa::path(get, path = "/v1/devices/{id}/lids", tag = "contacts", security(("key" = ["messages:read"])),
    params(DevicePath, PageParams),
    responses((status = 200, description = "People under both names", body = Page<Party>)))]
pub(super) async fn lids(
    Auth(ctx): Auth,
    path: DevicePath,
    Query(query): Query<PageParams>,
) -> HandlerResult<Json<Page<Party>>> {
    let page = page!(&ctx, query)?;
    Ok(Json(contact::lids(&ctx, &path.id, page).await?.view()))
}

/// Find the other name of a contact
///
/// The LID of a number, or the number of a LID.
#[utoipa::path(get, path = "/v1/devices/{id}/lids/{contact}", tag = "contacts", security(("key" = ["messages:read"])),
    params(ContactPath),
    responses((status = 200, description = "The person under both names", body = Party)))]
pub(super) async fn names(Auth(ctx): Auth, path: ContactPath) -> HandlerResult<Json<Party>> {
    Ok(Json((&contact::both_names(&ctx, &path.id, &path.contact.0).await?).into()))
}
