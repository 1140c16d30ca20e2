//! Pairing: the QR code as JSON, picture, page and text, and the code to type instead.

use std::time::Duration;

use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use portico_api::{PairingCode, PairingPhone, QrCode, QrFormat};
use portico_core::device::session;
use portico_core::id::DeviceId;
use portico_core::ports::whatsapp;
use portico_core::{Error, OpContext};
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{HandlerResult, answered};
use crate::api::App;
use crate::extract::path::DevicePath;
use crate::extract::query::IdempotencyKey;
use crate::extract::{Auth, Json, OptionalAuth, Query};
use crate::problem::Problem;
use crate::{pages, qr};

/// Seconds a request may wait for a code to come.
const WAIT_MAX: u64 = 20;
/// How often a waiting request looks.
const WAIT_STEP: Duration = Duration::from_millis(200);

/// The routes of pairing that need a key.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(pairing_code))
}

/// The QR code, whose page needs none.
pub(super) fn optional_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct QrParams {
    /// How to show it; absent: what `Accept` prefers.
    #[param(inline)]
    format: Option<QrFormat>,
    /// Seconds to wait for a code that WhatsApp has not sent yet, at most 20.
    wait: Option<u64>,
}

/// Get the QR code
///
/// As JSON, `image/png`, `text/html` or `text/plain`, by `format` or `Accept`. The page holds no code itself: it asks for a
/// key (or takes it from `#key=…` in its address, which no server sees) and fetches codes until the device is connected.
#[utoipa::path(get, path = "/v1/devices/{id}/qr", tag = "sessions", security(("key" = ["devices:write"]), ()),
    params(DevicePath, QrParams),
    responses((status = 200, description = "The code", content(
        (QrCode = "application/json"), (String = "image/png"), (String = "text/html"), (String = "text/plain")))))]
pub(super) async fn show(
    State(app): State<App>,
    OptionalAuth(ctx): OptionalAuth,
    // The page is served at once; whether the id can be one is looked at after the key.
    path: Result<DevicePath, Problem>,
    Query(query): Query<QrParams>,
    headers: HeaderMap,
) -> HandlerResult<Response> {
    let accept = headers.get(ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let format = query.format.unwrap_or_else(|| preferred(accept));
    if format == QrFormat::Html {
        return Ok(([(VARY, "accept")], pages::qr(&app)).into_response());
    }
    let Some(ctx) = ctx else {
        let why = "a QR code links a device: send a key as `Authorization: Bearer …` or `X-API-Key`, or open this address in a browser";
        return Err(Error::Unauthenticated { why }.into());
    };
    let code = awaited(&ctx, &path?.id, query.wait.unwrap_or(0)).await?;
    let (content_type, body) = match format {
        QrFormat::Png => ("image/png", qr::png(&code.text)?),
        QrFormat::Text => ("text/plain; charset=utf-8", qr::half_blocks(&code.text)?.into_bytes()),
        QrFormat::Json | QrFormat::Html => {
            let png = qr::data_url(&code.text)?;
            let body = QrCode { text: code.text, png, expires_at: code.expires_at.into() };
            return Ok(([(VARY, "accept")], Json(body)).into_response());
        }
    };
    Ok(([(CONTENT_TYPE, content_type), (VARY, "accept")], body).into_response())
}

async fn awaited(ctx: &OpContext, id: &DeviceId, wait_seconds: u64) -> Result<whatsapp::QrCode, Error> {
    if wait_seconds > WAIT_MAX {
        return Err(Error::invalid("wait", format!("must be 0 to {WAIT_MAX} seconds")));
    }
    let deadline = Instant::now() + Duration::from_secs(wait_seconds);
    loop {
        match session::qr(ctx, id).await {
            Err(Error::Busy { .. }) if Instant::now() + WAIT_STEP <= deadline => tokio::time::sleep(WAIT_STEP).await,
            other => return other,
        }
    }
}

/// The known format that `Accept` weighs highest, the first of equals; JSON when it names none.
fn preferred(accept: &str) -> QrFormat {
    let mut best = (QrFormat::Json, 0.0_f32);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let format = match parts.next().unwrap_or_default() {
            "text/html" => QrFormat::Html,
            "image/png" | "image/*" => QrFormat::Png,
            "text/plain" => QrFormat::Text,
            "application/json" | "application/*" | "*/*" => QrFormat::Json,
            _ => continue,
        };
        let weight = parts.find_map(|p| p.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0));
        if weight > best.1 {
            best = (format, weight);
        }
    }
    best.0
}

/// Get a pairing code
///
/// A code to type on the phone instead of scanning: *Linked devices*, *Link with phone number*. The device must be pairing.
#[utoipa::path(post, path = "/v1/devices/{id}/pairing-code", tag = "sessions", security(("key" = ["devices:write"])),
    params(DevicePath, IdempotencyKey),
    request_body = PairingPhone, responses((status = 200, description = "The code", body = PairingCode)))]
pub(super) async fn pairing_code(
    Auth(ctx): Auth,
    path: DevicePath,
    Json(body): Json<PairingPhone>,
) -> HandlerResult<Response> {
    let code = session::pairing_code(&ctx, &path.id, &body.phone).await?;
    Ok(answered(&ctx, StatusCode::OK, &PairingCode::from(&code)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_what_the_client_prefers() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8";
        for (accept, format) in [
            ("", QrFormat::Json),
            ("*/*", QrFormat::Json),
            (browser, QrFormat::Html),
            ("image/png", QrFormat::Png),
            ("image/avif, image/*;q=0.9, */*;q=0.1", QrFormat::Png),
            ("text/plain", QrFormat::Text),
            ("application/json, text/html;q=0.5", QrFormat::Json),
            ("text/html;q=0, text/plain;q=0.1", QrFormat::Text),
            ("video/mp4", QrFormat::Json),
        ] {
            assert_eq!(preferred(accept), format, "{accept}");
        }
    }
}
