//! Requests at once: how many run, how many one tenant has, and that a change is finished even when its client hangs up.
//!
//! A tenant's request counts from before its body comes until it is answered, so that one tenant can take neither all the
//! memory for bodies nor all the concurrency permits.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Extensions, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use portico_core::Error;
use portico_core::id::TenantId;
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument;

use crate::api::App;
use crate::body;
use crate::credentials::{InProcessCaller, Principal};
use crate::problem::{Problem, RETRY_OVERLOADED};
use crate::quota::Permit;

/// The middleware of every route.
pub(crate) async fn limit(State(app): State<App>, request: Request, next: Next) -> Response {
    run(&app, request, |request| next.run(request)).await
}

/// Runs a request that has passed authentication: reads its body, waits for a permit and calls `serve`.
pub(crate) async fn run<F>(app: &App, request: Request, serve: impl FnOnce(Request) -> F) -> Response
where
    F: Future<Output = Response> + Send + 'static,
{
    let in_process = request.extensions().get::<InProcessCaller>().is_some();
    // A request from within the process is in memory already, and is part of a request that was counted.
    let tenant = if in_process { None } else { tenant(request.extensions()) };
    let shared = (!in_process && tenant.is_none()).then_some(&app.anonymous_bytes);
    let of_tenant = match tenant.map(|tenant| tenant_permit(app, tenant)).transpose() {
        Ok(permit) => permit,
        Err(problem) => return problem.into_response(),
    };
    let (request, bytes) = match body::buffered(request, app.config.body_bytes_max, shared).await {
        Ok(read) => read,
        Err(problem) => return problem.into_response(),
    };
    // A request from within uses the permit of the outer one; `/health` must answer under load.
    let needs_none = in_process || request.uri().path() == "/health";
    let permit = match if needs_none { Ok(None) } else { permit(app).await.map(Some) } {
        Ok(permit) => permit,
        Err(problem) => return problem.into_response(),
    };
    let is_change = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let served = serve(request);
    let task = async move {
        let response = served.await;
        drop((permit, bytes, of_tenant));
        response
    };
    if !is_change {
        return task.await;
    }
    match tokio::spawn(task.in_current_span()).await {
        Ok(response) => response,
        Err(_) => Problem::panicked().into_response(),
    }
}

/// The tenant whose request it is; `None` when it came without a good key.
fn tenant(extensions: &Extensions) -> Option<&TenantId> {
    match extensions.get() {
        Some(Principal::Authenticated(caller)) => Some(caller.tenant()),
        _ => None,
    }
}

/// Counts one more request of the tenant, or refuses it.
fn tenant_permit(app: &App, tenant: &TenantId) -> Result<Permit<TenantId>, Problem> {
    let limit = app.config.concurrent_per_tenant.max(1);
    app.tenant_requests.acquire(tenant, limit).ok_or_else(|| {
        let why = format!("this tenant has {limit} requests under way, the limit; wait for some answers first");
        Error::Busy { why, retry_after: RETRY_OVERLOADED }.into()
    })
}

/// Waits for one of the permits that all requests share, at most `queue_timeout`.
pub(crate) async fn permit(app: &App) -> Result<OwnedSemaphorePermit, Problem> {
    let permit = Arc::clone(&app.requests).acquire_owned();
    match tokio::time::timeout(app.config.queue_timeout, permit).await {
        Ok(Ok(permit)) => Ok(permit),
        Ok(Err(_)) | Err(_) => Err(Problem::overloaded("too many requests are under way; try again in a moment")),
    }
}
