//! Events: followed over WebSocket or SSE, or read page by page.

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use axum::response::{IntoResponse, Response};
use portico_core::event::feed::{self, Wanted};
use portico_core::{Error, OpContext};
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::HandlerResult;
use crate::api::App;
use crate::extract::{Auth, Json, Query, device};
use crate::stream::{self, Feed, sse, ws};

/// Kinds of events in one filter at most.
const KINDS_MAX: usize = 50;

/// The routes of events.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(follow))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventParams {
    /// Begin after this `seq`; absent: with what comes next. `0`: with the oldest that is still kept.
    after: Option<i64>,
    /// Only of this device.
    device: Option<String>,
    /// Only of these kinds: names, `<noun>.*` or `*`, with commas between them.
    #[serde(rename = "type")]
    #[param(rename = "type")]
    kind: Option<String>,
    /// Pages only: events looked at, at most; where they are long, a page ends earlier.
    limit: Option<u32>,
}

/// Follow events
///
/// As a WebSocket (one JSON event per text message), as server-sent events (`Accept: text/event-stream`), or as one page of
/// JSON. Streams resume with `after`, SSE also with `Last-Event-ID`; every event carries its `seq`. `stream.open` comes
/// first and names where the stream begins; `stream.gap` tells that events between two `seq` are no longer kept. A client
/// that does not keep up is dropped with a reason and resumes. Browsers, which can't set headers on a WebSocket, offer the
/// subprotocols `portico.events` and `portico.key.<key>`.
///
/// `device.qr` comes to streams that name it in `type`, and needs `devices:write`. It is stored nowhere and can't be read again;
/// its `seq` is that of the last event before it.
#[utoipa::path(get, path = "/v1/events", tag = "events", security(("key" = ["messages:read"])),
    params(EventParams, ("Last-Event-ID" = Option<i64>, Header, description = "SSE only: goes before `after`")),
    responses(
        (status = 101, description = "A WebSocket of events"),
        (status = 200, description = "Events", content((portico_api::EventPage<Value> = "application/json"), (String = "text/event-stream")))))]
pub(super) async fn follow(
    State(app): State<App>,
    Auth(ctx): Auth,
    Query(query): Query<EventParams>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> HandlerResult<Response> {
    let mut wanted = wanted(&app, &ctx, &query).await?;
    let is_sse = headers.get(ACCEPT).and_then(|v| v.to_str().ok()).is_some_and(|a| a.contains("text/event-stream"));
    let resumed = if is_sse { last_event_id(&headers)? } else { None };
    let after = feed::start(&ctx, &mut wanted, resumed.or(query.after)).await?;
    match upgrade {
        Ok(upgrade) => {
            let permit = stream::permit(&app, ctx.tenant())?;
            Ok(ws::serve(Feed::new(&app, ctx, wanted, after, permit), upgrade))
        }
        Err(_) if is_sse => {
            let permit = stream::permit(&app, ctx.tenant())?;
            Ok(sse::serve(Feed::new(&app, ctx, wanted, after, permit)))
        }
        Err(_) => page(&app, &ctx, &wanted, after, query.limit).await,
    }
}

async fn wanted(app: &App, ctx: &OpContext, query: &EventParams) -> Result<Wanted, Error> {
    let device = device(ctx, app, "device", query.device.clone()).await?;
    let kinds = query.kind.as_deref().unwrap_or_default().split(',').map(str::trim).filter(|k| !k.is_empty());
    let kinds: Vec<_> = kinds.take(KINDS_MAX + 1).collect();
    if kinds.len() > KINDS_MAX {
        return Err(Error::invalid("type", format!("must name at most {KINDS_MAX} kinds")));
    }
    Wanted::new(device, kinds)
}

async fn page(app: &App, ctx: &OpContext, wanted: &Wanted, after: i64, limit: Option<u32>) -> HandlerResult<Response> {
    let max = app.config.events_page;
    let limit = limit.unwrap_or(max);
    if limit == 0 || limit > max {
        return Err(Error::invalid("limit", format!("must be 1 to {max}")).into());
    }
    let events = feed::next(ctx, after, limit).await?.events;
    let next = events.last().map_or(after, |e| e.seq);
    let items = events.iter().filter(|event| wanted.takes(event)).map(Into::into).collect();
    Ok(Json(portico_api::EventPage::<&Value> { items, next }).into_response())
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<i64>, Error> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    match value.to_str().map(str::parse) {
        Ok(Ok(seq)) => Ok(Some(seq)),
        _ => Err(Error::invalid("Last-Event-ID", "must be the `id` of the last event that came")),
    }
}
