//! Media: upload, list, look at, download, delete; and the files of messages.

mod receive;

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use portico_api::{Media, NewMedia, Page};
use portico_core::OpContext;
use portico_core::context::idempotency::Idempotency;
use portico_core::media::{MediaOrigin, incoming, lookup, upload};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{HandlerResult, MEDIA, created};
use crate::api::App;
use crate::body::{IDEMPOTENCY_KEY, fingerprint_of};
use crate::concurrency::{Lease, Upload, fetch_permit};
use crate::download;
use crate::extract::path::{MediaPath, MessagePath};
use crate::extract::query::{IdempotencyKey, PageParams, page};
use crate::extract::{Auth, Json, Query};
use receive::{Given, Received};

/// The routes of media.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get, delete))
        .routes(routes!(content))
        .routes(routes!(of_message))
}

/// The route that takes files in.
pub(super) fn streamed_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create))
}

/// A form with a file.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "described here, read part by part")]
struct MediaForm {
    /// The file.
    #[schema(value_type = String, format = Binary)]
    file: String,
    /// Its type, instead of the one the part itself declares.
    media_type: Option<String>,
    /// Its name, instead of the one the part itself has.
    file_name: Option<String>,
}

/// Upload a file
///
/// As a form (`multipart/form-data`) with the part `file`; as JSON with the file in base64 (`data`), which may be as long as a
/// file may be; or as JSON with a `url`, which is fetched. The file's type is told by its bytes; a declared type that they
/// contradict is refused. Send the file as `{"upload": id}`. It is removed after its time; sending it begins the time anew.
#[utoipa::path(post, path = "/v1/media", tag = "media", security(("key" = ["messages:write"])), params(IdempotencyKey),
    request_body(content((NewMedia = "application/json"), (MediaForm = "multipart/form-data"))),
    responses((status = 201, description = "The file", body = Media)))]
pub(super) async fn create(State(app): State<App>, Auth(ctx): Auth, mut request: Upload) -> HandlerResult<Response> {
    let bytes_max = upload::begin(&ctx).await?;
    let Received { given, declared, file_name } = receive::receive(&app, &ctx, &mut request, bytes_max).await?;
    let arrived = request.arrived().await;
    let carried = |what: String| [what, declared.clone().unwrap_or_default(), file_name.clone().unwrap_or_default()];
    let (media, ctx) = match given {
        Given::File(stored) => {
            let print = carried(stored.digest.to_string());
            let ctx = match arrived.and_then(|()| keyed(&app, &ctx, request.headers(), &print)) {
                Ok(ctx) => ctx,
                Err(problem) => {
                    upload::discard(&app.services, stored).await;
                    return Err(problem);
                }
            };
            let facts = upload::FileFacts { declared, file_name, origin: MediaOrigin::Upload };
            (upload::record(&ctx, stored, facts).await?, ctx)
        }
        Given::Url(url) => {
            arrived?;
            let ctx = keyed(&app, &ctx, request.headers(), &carried(url.clone()))?;
            let _fetching = fetch_permit(&app, ctx.tenant(), request.lease())?;
            (upload::from_url(&ctx, &url, declared, file_name).await?, ctx)
        }
    };
    let location = format!("/v1/media/{}", media.id);
    Ok(created(&ctx, StatusCode::CREATED, &location, &media))
}

/// The operation with the request's `Idempotency-Key`. What identifies the request is what it carries, and not how: the border of
/// a form is another one each time.
fn keyed(app: &App, ctx: &OpContext, headers: &HeaderMap, carried: &[String]) -> HandlerResult<OpContext> {
    let Some(key) = headers.get(IDEMPOTENCY_KEY) else { return Ok(ctx.clone()) };
    let print = fingerprint_of([MEDIA].into_iter().chain(carried.iter().map(String::as_str)).map(str::as_bytes));
    let idempotency = Idempotency::new(key.to_str().unwrap_or_default(), print)?;
    Ok(OpContext::new(Arc::clone(&app.services), ctx.caller().clone(), Some(idempotency)))
}

/// List files
///
/// Newest first.
#[utoipa::path(get, path = "/v1/media", tag = "media", security(("key" = ["messages:read"])), params(PageParams),
    responses((status = 200, description = "Files", body = Page<Media>)))]
pub(super) async fn list(Auth(ctx): Auth, Query(query): Query<PageParams>) -> HandlerResult<Json<Page<Media>>> {
    let page = page!(&ctx, query)?;
    Ok(Json(lookup::list(&ctx, page).await?.view()))
}

/// Look at a file
///
/// What is known about it; its bytes are at `/v1/media/{id}/content`.
#[utoipa::path(get, path = "/v1/media/{id}", tag = "media", security(("key" = ["messages:read"])), params(MediaPath),
    responses((status = 200, description = "The file", body = Media)))]
pub(super) async fn get(Auth(ctx): Auth, path: MediaPath) -> HandlerResult<Json<Media>> {
    Ok(Json((&lookup::get(&ctx, &path.id).await?).into()))
}

/// Download a file
///
/// Takes `Range` (one range) and `If-None-Match`; the tag is the SHA-256 of the file.
#[utoipa::path(get, path = "/v1/media/{id}/content", tag = "media", security(("key" = ["messages:read"])),
    params(MediaPath),
    responses(
        (status = 200, description = "The file", body = String, content_type = "application/octet-stream"),
        (status = 206, description = "The part of the file that `Range` asks for"),
        (status = 304, description = "The file that `If-None-Match` names")))]
pub(super) async fn content(
    State(app): State<App>,
    Auth(ctx): Auth,
    path: MediaPath,
    headers: HeaderMap,
) -> HandlerResult<Response> {
    let media = lookup::get(&ctx, &path.id).await?;
    download::answer(&app, &ctx, &media, &headers).await
}

/// Delete a file
///
/// Messages that were sent keep it; one that still waits to be sent fails.
#[utoipa::path(delete, path = "/v1/media/{id}", tag = "media", security(("key" = ["messages:write"])), params(MediaPath),
    responses((status = 204, description = "It is gone")))]
pub(super) async fn delete(Auth(ctx): Auth, path: MediaPath) -> HandlerResult<StatusCode> {
    lookup::delete(&ctx, &path.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Download the file of a message
///
/// That of a message which came in is fetched from WhatsApp when it is asked for first, and kept for a day; WhatsApp itself keeps
/// files for some weeks. Takes `Range` and `If-None-Match`.
#[utoipa::path(get, path = "/v1/devices/{id}/messages/{message}/media", tag = "media",
    security(("key" = ["messages:read"])), params(MessagePath),
    responses(
        (status = 200, description = "The file", body = String, content_type = "application/octet-stream"),
        (status = 206, description = "The part of the file that `Range` asks for"),
        (status = 304, description = "The file that `If-None-Match` names")))]
pub(super) async fn of_message(
    State(app): State<App>,
    Auth(ctx): Auth,
    lease: Lease,
    path: MessagePath,
    headers: HeaderMap,
) -> HandlerResult<Response> {
    let fetching = fetch_permit(&app, ctx.tenant(), &lease)?;
    let media = incoming::of_message(&ctx, &path.id, &path.message).await?;
    drop(fetching);
    download::answer(&app, &ctx, &media, &headers).await
}
