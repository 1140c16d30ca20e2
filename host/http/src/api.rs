//! The router: routes, middleware and mounts, joined in one place.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Bytes;
use axum::middleware::from_fn_with_state;
use portico_core::Services;
use portico_core::access::Credential;
use portico_core::id::TenantId;
use portico_core::ports::plugins::Rest;
use portico_core::time::UtcMs;
use tokio::sync::Semaphore;
use utoipa_axum::router::OpenApiRouter;

use crate::auth::RouteScopes;
use crate::config::HttpConfig;
use crate::dialect::{Tables, Windows};
use crate::live::Live;
use crate::metrics::Metrics;
use crate::problem::Problem;
use crate::quota::Quota;
use crate::rate_limit::Limiter;
use crate::rest::InProcess;
use crate::socket::{self, Endpoints, OpenSockets};
use crate::{auth, concurrency, dialect, instrument, openapi, pages, v1};

/// What every handler shares.
pub(crate) struct Shared {
    pub(crate) services: Arc<Services>,
    pub(crate) config: HttpConfig,
    pub(crate) live: Live,
    /// When the gateway started.
    pub(crate) started: UtcMs,
    pub(crate) metrics: Metrics,
    pub(crate) limiter: Limiter,
    /// Open event streams of each tenant.
    pub(crate) streams: Quota<TenantId>,
    /// Requests of each tenant that are not answered yet.
    pub(crate) tenant_requests: Quota<TenantId>,
    /// Administrative requests of each tenant that are not answered yet.
    pub(crate) reserved_tenant_requests: Quota<TenantId>,
    /// Requests of each key whose bodies are still coming.
    pub(crate) key_bodies: Quota<Credential>,
    /// Uploads of each tenant whose bodies are still coming.
    pub(crate) tenant_uploads: Quota<TenantId>,
    /// Files of each tenant that are being fetched.
    pub(crate) fetches: Quota<TenantId>,
    /// Files of each tenant that are being sent to clients.
    pub(crate) downloads: Quota<TenantId>,
    /// Sends of each tenant that wait for what becomes of their message.
    pub(crate) waiting_sends: Quota<TenantId>,
    /// Permits for uploads at once.
    pub(crate) uploads: Arc<Semaphore>,
    /// Permits for requests that run at once.
    pub(crate) requests: Arc<Semaphore>,
    /// Permits for administrative requests that run at once.
    pub(crate) reserved_requests: Arc<Semaphore>,
    /// Permits for key look-ups.
    pub(crate) key_lookups: Arc<Semaphore>,
    /// The scope each route needs.
    pub(crate) scopes: RouteScopes,
    /// Bytes that the bodies of requests without good credentials may hold.
    pub(crate) anonymous_bytes: Arc<Semaphore>,
    pub(crate) openapi: Bytes,
    /// The routes of plugins.
    pub(crate) dialects: Tables,
    /// Requests counted towards limits that plugins declare.
    pub(crate) windows: Windows,
    /// Where clients of plugins open sockets.
    pub(crate) sockets: Endpoints,
    /// Sockets that are open.
    pub(crate) open_sockets: OpenSockets,
    /// The router, for answers of plugins that are streamed from the REST core.
    pub(crate) core_router: OnceLock<Router>,
}

/// The state of all handlers.
pub(crate) type App = Arc<Shared>;

/// The HTTP side of a gateway. Cloning shares it.
#[derive(Clone)]
pub struct Api {
    pub(crate) app: App,
}

/// Puts the HTTP side of a gateway together.
pub fn api(services: Arc<Services>, config: HttpConfig, live: Live) -> Api {
    // At least one whole body fits.
    let anonymous_bytes = config.anonymous_bodies_bytes.max(config.body_bytes_max).min(Semaphore::MAX_PERMITS);
    let app = Arc::new(Shared {
        metrics: Metrics::new(),
        limiter: Limiter::new(&config),
        streams: Quota::default(),
        tenant_requests: Quota::default(),
        reserved_tenant_requests: Quota::default(),
        key_bodies: Quota::default(),
        tenant_uploads: Quota::default(),
        fetches: Quota::default(),
        downloads: Quota::default(),
        waiting_sends: Quota::default(),
        uploads: permits(config.uploads_at_once),
        requests: permits(config.concurrent_requests),
        reserved_requests: permits(config.reserved_requests),
        key_lookups: permits(config.key_lookups),
        scopes: RouteScopes::of(&openapi::routes()),
        anonymous_bytes: Arc::new(Semaphore::new(anonymous_bytes)),
        openapi: Bytes::from(openapi::json()),
        dialects: Tables::default(),
        windows: Windows::new(config.dialect_limits, config.rate_callers_max, Arc::clone(&services.ports.clock)),
        sockets: Endpoints::default(),
        open_sockets: OpenSockets::default(),
        core_router: OnceLock::new(),
        started: services.ports.now(),
        services,
        config,
        live,
    });
    Api { app }
}

/// At least one permit.
fn permits(count: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS)))
}

impl Api {
    /// Everything: REST core, pages, health, metrics, event streams, dialects.
    pub fn router(&self) -> Router {
        let optional = self.limited(v1::optional()).layer(from_fn_with_state(self.app.clone(), auth::optional));
        let open = self.limited(v1::open().merge(pages::routes().into()));
        let keyed = self.keyed(v1::keyed()).merge(self.keyed_streamed(v1::streamed()));
        let (routes, _) = keyed.merge(optional).merge(open).split_for_parts();
        self.wrapped(routes.fallback(dialect::serve))
    }

    /// Event streams, sockets of dialects and the health check alone, for a second listener.
    pub fn ws_router(&self) -> Router {
        let (routes, _) = self.keyed(v1::streams()).merge(self.limited(v1::health())).split_for_parts();
        self.wrapped(routes.fallback(async || Problem::no_route()))
    }

    /// The REST core for callers within the process.
    pub fn rest(&self) -> Arc<dyn Rest> {
        let router = self.app.core_router.get_or_init(|| self.router()).clone();
        Arc::new(InProcess::new(Arc::clone(&self.app), router))
    }

    fn keyed(&self, routes: OpenApiRouter<App>) -> OpenApiRouter<App> {
        self.limited(routes).layer(from_fn_with_state(self.app.clone(), auth::required))
    }

    /// Routes whose handlers read the body themselves, while it comes.
    fn keyed_streamed(&self, routes: OpenApiRouter<App>) -> OpenApiRouter<App> {
        let limited = routes.layer(from_fn_with_state(self.app.clone(), concurrency::limit_streamed));
        limited.layer(from_fn_with_state(self.app.clone(), auth::required))
    }

    fn limited(&self, routes: OpenApiRouter<App>) -> OpenApiRouter<App> {
        routes.layer(from_fn_with_state(self.app.clone(), concurrency::limit))
    }

    /// Adds what every request passes first. An unknown path or method is answered without reading the body.
    fn wrapped(&self, routes: Router<App>) -> Router {
        routes
            .method_not_allowed_fallback(async || Problem::no_method())
            .layer(from_fn_with_state(self.app.clone(), socket::divert))
            .layer(from_fn_with_state(self.app.clone(), instrument::outermost))
            .with_state(self.app.clone())
    }
}
