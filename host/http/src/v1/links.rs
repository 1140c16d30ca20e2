//! Links to files: making them, and following them without a key.

use axum::extract::{Path, State};
use axum::http::header::REFERRER_POLICY;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use portico_api::{MediaLink, media_link_path};
use portico_core::media::link::{self as links, Link};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::HandlerResult;
use crate::api::App;
use crate::concurrency::{Lease, fetch_permit};
use crate::download;
use crate::extract::path::{MediaPath, MessagePath};
use crate::extract::{Auth, Json};

/// Making links needs a key.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(link)).routes(routes!(link_of_message))
}

/// Following one needs none.
pub(super) fn open_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(follow))
}

/// Make a link to a file
///
/// Whoever has the link can download the file without a key, until the link ends (`limits.media_link_ttl_s`) or the file is
/// deleted.
#[utoipa::path(post, path = "/v1/media/{id}/link", tag = "media", security(("key" = ["messages:read"])), params(MediaPath),
    responses((status = 201, description = "The link", body = MediaLink)))]
pub(super) async fn link(
    State(app): State<App>,
    Auth(ctx): Auth,
    path: MediaPath,
) -> HandlerResult<(StatusCode, Json<MediaLink>)> {
    Ok((StatusCode::CREATED, Json(shown(&app, links::of_media(&ctx, &path.id).await?))))
}

/// Make a link to the file of a message
///
/// As with a stored file. That of a message which came in is fetched from WhatsApp when somebody follows the link first.
#[utoipa::path(post, path = "/v1/devices/{id}/messages/{message}/media/link", tag = "media",
    security(("key" = ["messages:read"])), params(MessagePath),
    responses((status = 201, description = "The link", body = MediaLink)))]
pub(super) async fn link_of_message(
    State(app): State<App>,
    Auth(ctx): Auth,
    path: MessagePath,
) -> HandlerResult<(StatusCode, Json<MediaLink>)> {
    Ok((StatusCode::CREATED, Json(shown(&app, links::of_message(&ctx, &path.id, &path.message).await?))))
}

fn shown(app: &App, link: Link) -> MediaLink {
    let url = format!("{}{}", app.config.base_url, media_link_path(&link.token));
    MediaLink { url, token: link.token, expires_at: link.expires_at.into() }
}

/// Download the file of a link
///
/// Needs no key. Takes `Range` (one range) and `If-None-Match`.
#[utoipa::path(get, path = "/v1/links/{token}", tag = "media", security(()),
    params(("token" = String, Path, description = "The token of the link")),
    responses(
        (status = 200, description = "The file", body = String, content_type = "application/octet-stream"),
        (status = 206, description = "The part of the file that `Range` asks for"),
        (status = 304, description = "The file that `If-None-Match` names")))]
pub(super) async fn follow(
    State(app): State<App>,
    lease: Lease,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> HandlerResult<Response> {
    let followed = links::follow(&app.services, &token).await?;
    let fetching = fetch_permit(&app, followed.context().tenant(), &lease)?;
    let (ctx, media) = followed.media().await?;
    drop(fetching);
    let mut response = download::answer(&app, &ctx, &media, &headers).await?;
    // The address is the credential: a page that shows the file must not tell it to others.
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}
