//! The audit log: who did what.

use portico_api::{AuditEntry, Page};
use portico_core::access::audit;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::HandlerResult;
use crate::api::App;
use crate::extract::query::{PageParams, page};
use crate::extract::{Auth, Json, Query};

/// The routes of the audit log.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(audit_log))
}

/// See who did what
///
/// Newest first: everything that members changed, and everything that was changed with keys but sends.
#[utoipa::path(get, path = "/v1/audit-log", tag = "members", security(("key" = ["keys:write"])), params(PageParams),
    responses((status = 200, description = "Entries", body = Page<AuditEntry>)))]
pub(super) async fn audit_log(
    Auth(ctx): Auth,
    Query(query): Query<PageParams>,
) -> HandlerResult<Json<Page<AuditEntry>>> {
    let page = page!(&ctx, query)?;
    Ok(Json(audit::list(&ctx, page).await?.view()))
}
