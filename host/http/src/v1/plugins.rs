//! Plugins: what is installed.

use axum::extract::State;
use portico_core::page::Page;
use portico_core::ports::plugins::PluginInfo;

use super::HandlerResult;
use crate::api::App;
use crate::extract::{Auth, Json};

/// List plugins
///
/// What is installed, by id: for `format` of webhooks, to see where dialects are served, and what each plugin may do and why.
#[utoipa::path(get, path = "/v1/plugins", tag = "plugins", security(("key" = [])),
    responses((status = 200, description = "Plugins", body = Page<PluginInfo>)))]
pub(super) async fn list(State(app): State<App>, Auth(_): Auth) -> HandlerResult<Json<Page<PluginInfo>>> {
    Ok(Json(Page { items: app.services.plugins.list(), next: None }))
}
