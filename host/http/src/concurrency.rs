//! Requests at once: how many run, how many one tenant has, and that a change is finished even when its client hangs up.
//!
//! A tenant's request counts from before its body comes until it is answered, so that one tenant can take neither all the
//! memory for bodies nor all the concurrency permits. While its body comes it counts towards its key as well. Administrative
//! requests are counted apart from all others ([`Share::Reserved`]): a key can be revoked whatever is done with it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use portico_core::Error;
use portico_core::access::Credential;
use portico_core::id::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;

use crate::api::App;
use crate::auth;
use crate::body::{self, BodyLimits};
use crate::credentials::{Authenticated, InProcessCaller, Principal};
use crate::problem::{Problem, RETRY_OVERLOADED};
use crate::quota::Permit;

/// Which part of the limits a request counts towards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Share {
    /// The one for everything.
    #[default]
    Common,
    /// The one for requests that need `keys:write` or `server:admin`.
    Reserved,
}

/// How long a key that was found valid is taken for valid without looking at it again.
const KEY_CHECK_FRESH: Duration = Duration::from_millis(100);

/// The middleware of every route.
pub(crate) async fn limit(State(app): State<App>, request: Request, next: Next) -> Response {
    run(&app, request, |request| next.run(request)).await
}

/// Runs a request that has passed authentication: reads its body, waits for a permit and calls `serve`.
pub(crate) async fn run<F>(app: &App, request: Request, serve: impl FnOnce(Request) -> F) -> Response
where
    F: Future<Output = Response> + Send + 'static,
{
    let (request, held) = match prepare(app, request).await {
        Ok(ready) => ready,
        Err(problem) => return problem.into_response(),
    };
    let is_change = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let served = serve(request);
    let task = async move {
        let response = served.await;
        drop(held);
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

/// What a request holds until it is answered.
#[derive(Default)]
struct Held {
    _tenant: Option<Permit<TenantId>>,
    _bytes: body::SharedBytes,
    _running: Option<OwnedSemaphorePermit>,
}

/// Reads the body, waits for a permit and looks at the key again.
async fn prepare(app: &App, request: Request) -> Result<(Request, Held), Problem> {
    let limits = BodyLimits::of_request(&app.config, &request);
    if request.extensions().get::<InProcessCaller>().is_some() {
        // A request from within is in memory already, and is part of a request that was counted.
        let (request, _) = body::buffered(request, &limits, None).await?;
        return Ok((request, Held::default()));
    }
    let share = request.extensions().get().copied().unwrap_or_default();
    let key = match request.extensions().get() {
        Some(Principal::Authenticated(key)) => Some(key.clone()),
        _ => None,
    };
    let tenant = key.as_ref().map(|key| tenant_permit(app, key.caller.tenant(), share)).transpose()?;
    let reading = key.as_ref().map(|key| body_permit(app, key.caller.credential())).transpose()?;
    let shared = key.is_none().then_some(&app.anonymous_bytes);
    let (mut request, bytes) = body::buffered(request, &limits, shared).await?;
    drop(reading);
    // `/health` must answer under load.
    let running = match request.uri().path() {
        "/health" => None,
        _ => Some(permit(app, share).await?),
    };
    if let Some(key) = key {
        let principal = looked_up_again(app, key).await?;
        request.extensions_mut().insert(principal);
    }
    Ok((request, Held { _tenant: tenant, _bytes: bytes, _running: running }))
}

/// Who sends the request, now that its body is there: its key may have been revoked or expired meanwhile. Whether that is
/// good enough is for the extractors, or the dialect, to say.
async fn looked_up_again(app: &App, key: Authenticated) -> Result<Principal, Problem> {
    match &key.presented {
        Some(presented) if key.at.elapsed() >= KEY_CHECK_FRESH => auth::identified(app, Some(presented.text())).await,
        _ => Ok(Principal::Authenticated(key)),
    }
}

/// Counts one more request of the tenant, or refuses it.
fn tenant_permit(app: &App, tenant: &TenantId, share: Share) -> Result<Permit<TenantId>, Problem> {
    let (quota, limit) = match share {
        Share::Common => (&app.tenant_requests, app.config.concurrent_per_tenant.max(1)),
        Share::Reserved => (&app.reserved_tenant_requests, app.config.reserved_per_tenant.max(1)),
    };
    quota.acquire(tenant, limit).ok_or_else(|| {
        busy(format!("this tenant has {limit} requests under way, the limit; wait for some answers first"))
    })
}

/// Counts one more request of the key whose body is still coming, or refuses it.
fn body_permit(app: &App, key: &Credential) -> Result<Permit<Credential>, Problem> {
    let limit = app.config.bodies_per_key.max(1);
    let permit = app.key_bodies.acquire(key, limit);
    permit.ok_or_else(|| busy(format!("the bodies of {limit} requests with this key are still coming, the limit")))
}

fn busy(why: String) -> Problem {
    Error::Busy { why, retry_after: RETRY_OVERLOADED }.into()
}

/// Waits for a permit to run. An administrative request takes one of its own only when all others are taken.
async fn permit(app: &App, share: Share) -> Result<OwnedSemaphorePermit, Problem> {
    if share == Share::Reserved {
        return match Arc::clone(&app.requests).try_acquire_owned() {
            Ok(permit) => Ok(permit),
            Err(_) => wait_for(Arc::clone(&app.reserved_requests), app.config.queue_timeout).await,
        };
    }
    wait_for(Arc::clone(&app.requests), app.config.queue_timeout).await
}

/// Waits for a permit, at most `timeout`.
pub(crate) async fn wait_for(permits: Arc<Semaphore>, timeout: Duration) -> Result<OwnedSemaphorePermit, Problem> {
    match tokio::time::timeout(timeout, permits.acquire_owned()).await {
        Ok(Ok(permit)) => Ok(permit),
        Ok(Err(_)) | Err(_) => Err(Problem::overloaded("too many requests are under way; try again in a moment")),
    }
}
