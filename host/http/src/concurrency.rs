//! Requests at once: how many run, how many one tenant has, and that a change is finished even when its client hangs up.
//!
//! A tenant's request counts from before its body comes until it is answered, so that one tenant can take neither all the
//! memory for bodies nor all the concurrency permits. While its body comes it counts towards its key as well. Administrative
//! requests are counted apart from all others ([`Share::Reserved`]): a key can be revoked whatever is done with it.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
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
use crate::lift::raw::RawBody;
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

/// The middleware of routes whose handlers read the body while it comes ([`Upload`]).
pub(crate) async fn limit_streamed(State(app): State<App>, request: Request, next: Next) -> Response {
    run_streamed(&app, request, |request| next.run(request)).await
}

/// Runs a request that has passed authentication and whose body `serve` reads while it comes, as an [`Upload`].
pub(crate) async fn run_streamed<F>(app: &App, request: Request, serve: impl FnOnce(Request) -> F) -> Response
where
    F: Future<Output = Response> + Send + 'static,
{
    match admit(app, request).await {
        Ok((request, lease)) => finished(request, lease, serve).await,
        Err(problem) => problem.into_response(),
    }
}

/// Runs a request that has passed authentication: reads its body, waits for a permit and calls `serve`.
pub(crate) async fn run<F>(app: &App, request: Request, serve: impl FnOnce(Request) -> F) -> Response
where
    F: Future<Output = Response> + Send + 'static,
{
    match prepare(app, request).await {
        Ok((request, held)) => finished(request, Lease::of(held), serve).await,
        Err(problem) => problem.into_response(),
    }
}

/// Calls `serve` and gives back what the request held. A change is finished even when its client hangs up.
async fn finished<F>(mut request: Request, lease: Lease, serve: impl FnOnce(Request) -> F) -> Response
where
    F: Future<Output = Response> + Send + 'static,
{
    let is_change = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    request.extensions_mut().insert(lease.clone());
    let served = serve(request);
    let task = async move {
        let response = served.await;
        lease.release();
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

/// What a request holds, for handlers that wait: they give it back first. Cloning shares it.
#[derive(Clone, Default)]
pub(crate) struct Lease(Arc<Mutex<Held>>);

impl Lease {
    fn of(held: Held) -> Self {
        Self(Arc::new(Mutex::new(held)))
    }

    /// Gives back everything the request holds.
    pub(crate) fn release(&self) {
        // Dropped after the lock is released.
        let _held = std::mem::take(&mut *self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FromRequestParts<App> for Lease {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}

/// A request whose body its handler reads.
pub(crate) struct Upload {
    app: App,
    headers: HeaderMap,
    body: Option<Body>,
    lease: Lease,
    share: Share,
    key: Option<Authenticated>,
    coming: Option<Coming>,
}

/// What an upload holds while its body comes.
#[derive(Clone)]
struct Coming(
    #[expect(dead_code, reason = "held, not read")] Arc<(Permit<TenantId>, Permit<Credential>, OwnedSemaphorePermit)>,
);

impl FromRequest<App> for Upload {
    type Rejection = Infallible;

    async fn from_request(request: Request, app: &App) -> Result<Self, Infallible> {
        let (mut parts, body) = request.into_parts();
        let key = match parts.extensions.get() {
            Some(Principal::Authenticated(key)) if parts.extensions.get::<InProcessCaller>().is_none() => {
                Some(key.clone())
            }
            _ => None,
        };
        Ok(Self {
            app: Arc::clone(app),
            headers: parts.headers,
            body: Some(body),
            lease: parts.extensions.remove().unwrap_or_default(),
            share: parts.extensions.remove().unwrap_or_default(),
            key,
            coming: parts.extensions.remove(),
        })
    }
}

impl Upload {
    /// The headers of the request.
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// What the request holds.
    pub(crate) fn lease(&self) -> &Lease {
        &self.lease
    }

    /// The body, to be read once; `bytes_max` bytes at most.
    pub(crate) fn body(&mut self, bytes_max: u64) -> RawBody {
        RawBody::new(self.body.take().unwrap_or_default(), BodyLimits::of(&self.app.config), bytes_max)
    }

    /// To be called once the body is there: from now on the request counts as one that runs, and its key is looked at again,
    /// which may have been revoked meanwhile.
    pub(crate) async fn arrived(&mut self) -> Result<(), Problem> {
        self.coming = None;
        let Some(key) = self.key.take() else { return Ok(()) };
        let running = permit(&self.app, self.share).await?;
        self.lease.lock()._running = Some(running);
        looked_up_again(&self.app, key).await?.required()?;
        Ok(())
    }
}

/// Admits a request whose body its handler reads: counts it, and reads nothing.
async fn admit(app: &App, mut request: Request) -> Result<(Request, Lease), Problem> {
    let share = request.extensions().get().copied().unwrap_or_default();
    let key = match request.extensions().get() {
        Some(Principal::Authenticated(key)) if request.extensions().get::<InProcessCaller>().is_none() => key.clone(),
        // A request from within is part of a request that was counted.
        _ => return Ok((request, Lease::default())),
    };
    let tenant = tenant_permit(app, key.caller.tenant(), share)?;
    let reading = body_permit(app, key.caller.credential())?;
    let limit = app.config.uploads_per_tenant.max(1);
    let upload = app.tenant_uploads.acquire(key.caller.tenant(), limit);
    let upload = upload.ok_or_else(|| busy(format!("{limit} uploads of this tenant are still coming, the limit")))?;
    let place = wait_for(Arc::clone(&app.uploads), app.config.queue_timeout).await?;
    request.extensions_mut().insert(Coming(Arc::new((upload, reading, place))));
    Ok((request, Lease::of(Held { _tenant: Some(tenant), ..Held::default() })))
}

/// Counts one more file of the tenant that is fetched, for as long as the answer lives, or refuses it. What the request held is
/// given back: fetching takes its time.
pub(crate) fn fetch_permit(app: &App, tenant: &TenantId, lease: &Lease) -> Result<Permit<TenantId>, Problem> {
    let limit = app.config.fetches_per_tenant.max(1);
    let permit = app.fetches.acquire(tenant, limit);
    let permit = permit.ok_or_else(|| busy(format!("{limit} files of this tenant are being fetched, the limit")))?;
    lease.release();
    Ok(permit)
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
