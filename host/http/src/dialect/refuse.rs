//! Refusals of the host, in the words of the plugin whose API was asked.

use axum::extract::Request;
use axum::http::Method;
use axum::response::Response;
use portico_core::ports::plugins::Refusal;

use super::answer;
use super::table::Table;
use crate::api::App;
use crate::problem::Problem;

/// What a plugin is told of the request that is refused.
pub(super) struct Told {
    method: String,
    path: String,
}

impl Told {
    pub(super) fn of(request: &Request, path: &str) -> Self {
        Self::new(request.method(), path)
    }

    pub(super) fn new(method: &Method, path: &str) -> Self {
        Self { method: method.to_string(), path: path.to_owned() }
    }
}

/// Has a problem said by the plugin; other answers pass unchanged. When the plugin can't, the problem stays as it is.
pub(super) async fn in_own_words(
    app: &App,
    table: &Table,
    (plugin, route): (usize, Option<usize>),
    told: Told,
    mut response: Response,
) -> Response {
    let Some(problem) = response.extensions_mut().remove::<Problem>() else { return response };
    let refusal = Refusal {
        status: problem.code.status(),
        code: problem.code.to_string(),
        detail: problem.detail.clone(),
        method: told.method,
        path: told.path,
        route,
        missing: problem.missing.clone(),
        retry_after: problem.retry_after,
    };
    let said = app.services.plugins.refuse(table.plugin(plugin), refusal).await;
    match said.map_err(|failure| answer::failed(&failure)).and_then(|said| answer::plain(said, false)) {
        Ok(mut said) => {
            // What the host says beside the body stays: how long to wait, what is left.
            for (name, value) in response.headers() {
                said.headers_mut().entry(name).or_insert_with(|| value.clone());
            }
            said
        }
        Err(_) => {
            response.extensions_mut().insert(problem);
            response
        }
    }
}
