//! Analytics: figures by day and device.

use axum::extract::State;
use portico_api::{DayCounts, Page};
use portico_core::event::figures;
use portico_core::time::UtcMs;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::HandlerResult;
use crate::api::App;
use crate::extract::{Auth, Json, Query, device};

/// The routes of analytics.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(daily))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DailyParams {
    /// Any time on the first day.
    #[param(example = "2026-01-01T00:00:00Z")]
    from: String,
    /// Any time on the last day.
    #[param(example = "2026-01-31T00:00:00Z")]
    to: String,
    /// Only this device.
    device: Option<String>,
}

/// See figures by day
///
/// How many messages of which device took which step on which day, UTC; oldest day first. Days and devices without any are
/// left out. At most 10,000 rows.
#[utoipa::path(get, path = "/v1/analytics", tag = "messages", security(("key" = ["analytics:read"])), params(DailyParams),
    responses((status = 200, description = "Figures", body = Page<DayCounts>)))]
pub(super) async fn daily(
    State(app): State<App>,
    Auth(ctx): Auth,
    Query(query): Query<DailyParams>,
) -> HandlerResult<Json<Page<DayCounts>>> {
    let (from, to) = (UtcMs::parse("from", &query.from)?, UtcMs::parse("to", &query.to)?);
    let device = device(&ctx, &app, "device", query.device).await?;
    let rows = figures::daily(&ctx, device, from, to).await?;
    Ok(Json(Page { items: rows.iter().map(Into::into).collect(), next: None, total: None }))
}
