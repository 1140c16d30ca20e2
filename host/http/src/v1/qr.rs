//! Pairing: the QR code as JSON, picture, page and text, and the code to type instead.

use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use axum::response::{IntoResponse, Response};
use portico_core::device::session;
use portico_core::id::DeviceId;
use portico_core::ports::whatsapp::{PairingCode, QrCode};
use portico_core::time::UtcMs;
use portico_core::{Error, OpContext};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};

use super::HandlerResult;
use crate::api::App;
use crate::extract::{Auth, Ids, Json, OptionalAuth, Query};
use crate::pages;
use crate::qr;

/// Seconds a request may wait for a code to come.
const WAIT_MAX: u64 = 20;
/// How often a waiting request looks.
const WAIT_STEP: Duration = Duration::from_millis(200);

/// How a QR code is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum QrFormat {
    /// `{text, png, expires_at}`.
    Json,
    /// A picture.
    Png,
    /// A page that asks for a key, follows the device and shows each new code.
    Html,
    /// Half blocks for a terminal with a dark background.
    Text,
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

/// A QR code to scan with a phone.
#[derive(Serialize, ToSchema)]
pub(crate) struct QrBody {
    /// What the code encodes. A secret: who scans it first owns the device.
    text: String,
    /// A PNG as a data URL.
    png: String,
    /// When WhatsApp stops accepting it; a new one follows.
    expires_at: UtcMs,
}

/// Get the QR code
///
/// As JSON, `image/png`, `text/html` or `text/plain`, by `format` or `Accept`. The page holds no code itself: it asks for a
/// key (or takes it from `#key=…` in its address, which no server sees) and fetches codes until the device is connected.
#[utoipa::path(get, path = "/v1/devices/{id}/qr", tag = "sessions", security(("key" = ["devices:write"]), ()),
    params(("id" = String, Path, description = "The device's id"), QrParams),
    responses((status = 200, description = "The code", content(
        (QrBody = "application/json"), (String = "image/png"), (String = "text/html"), (String = "text/plain")))))]
pub(super) async fn show(
    State(app): State<App>,
    OptionalAuth(ctx): OptionalAuth,
    ids: Ids,
    Query(query): Query<QrParams>,
    headers: HeaderMap,
) -> HandlerResult<Response> {
    let accept = headers.get(ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let format = query.format.unwrap_or_else(|| preferred(accept));
    if format == QrFormat::Html {
        return Ok(([(VARY, "accept")], pages::qr(&app)).into_response());
    }
    let Some(ctx) = ctx else {
        let why = "a QR code sessions a device: send a key as `Authorization: Bearer …` or `X-API-Key`, or open this address in a browser";
        return Err(Error::Unauthenticated { why }.into());
    };
    let code = awaited(&ctx, &ids.device()?, query.wait.unwrap_or(0)).await?;
    let (content_type, body) = match format {
        QrFormat::Png => ("image/png", qr::png(&code.text)?),
        QrFormat::Text => ("text/plain; charset=utf-8", qr::half_blocks(&code.text)?.into_bytes()),
        QrFormat::Json | QrFormat::Html => {
            let png = qr::data_url(&code.text)?;
            let body = QrBody { text: code.text, png, expires_at: code.expires_at };
            return Ok(([(VARY, "accept")], Json(body)).into_response());
        }
    };
    Ok(([(CONTENT_TYPE, content_type), (VARY, "accept")], body).into_response())
}

async fn awaited(ctx: &OpContext, id: &DeviceId, wait_seconds: u64) -> Result<QrCode, Error> {
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

/// Whose phone is to be linked.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PairingPhone {
    /// The phone's number in international form.
    #[schema(example = "15550100002")]
    phone: String,
}

/// Get a pairing code
///
/// A code to type on the phone instead of scanning: *Linked devices*, *Link with phone number*. The device must be pairing.
#[utoipa::path(post, path = "/v1/devices/{id}/pairing-code", tag = "sessions", security(("key" = ["devices:write"])),
    params(("id" = String, Path, description = "The device's id")),
    request_body = PairingPhone, responses((status = 200, description = "The code", body = PairingCode)))]
pub(super) async fn pairing_code(
    Auth(ctx): Auth,
    ids: Ids,
    Json(body): Json<PairingPhone>,
) -> HandlerResult<Json<PairingCode>> {
    Ok(Json(session::pairing_code(&ctx, &ids.device()?, &body.phone).await?))
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
