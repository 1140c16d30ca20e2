//! Plugins: what is installed.

use axum::extract::State;
use portico_api::{Page, Plugin};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::HandlerResult;
use crate::api::App;
use crate::extract::{Auth, Json};

/// The routes of plugins.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// List plugins
///
/// What is installed, by id: for `format` of webhooks, to see where dialects are served, and what each plugin may do and why.
#[utoipa::path(get, path = "/v1/plugins", tag = "plugins", security(("key" = [])),
    responses((status = 200, description = "Plugins", body = Page<Plugin>)))]
pub(super) async fn list(State(app): State<App>, Auth(_): Auth) -> HandlerResult<Json<Page<Plugin>>> {
    let items = app.services.plugins.list().iter().map(Into::into).collect();
    Ok(Json(Page { items, next: None, total: None }))
}
