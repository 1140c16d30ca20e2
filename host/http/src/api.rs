//! The router: routes, middleware and mounts, joined in one place.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::middleware::from_fn_with_state;
use portico_core::Gateway;
use portico_core::ports::plugins::Rest;
use tokio::sync::Semaphore;

use crate::config::HttpConfig;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::problem::Problem;
use crate::rate::Limiter;
use crate::rest::InProcess;
use crate::stream::Places;
use crate::{admit, edge, mount, openapi, pages, v1, work};

/// What every handler shares.
pub(crate) struct Shared {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) config: HttpConfig,
    pub(crate) live: Live,
    pub(crate) metrics: Metrics,
    pub(crate) limiter: Limiter,
    pub(crate) places: Places,
    /// Turns of requests worked on at once.
    pub(crate) turns: Arc<Semaphore>,
    pub(crate) openapi: Bytes,
}

/// The state of all handlers.
pub(crate) type App = Arc<Shared>;

/// The HTTP side of a gateway. Cloning shares it.
#[derive(Clone)]
pub struct Api {
    app: App,
}

/// Puts the HTTP side of a gateway together.
pub fn api(gateway: Arc<Gateway>, config: HttpConfig, live: Live) -> Api {
    let app = Arc::new(Shared {
        metrics: Metrics::default(),
        limiter: Limiter::new(&config),
        places: Places::default(),
        turns: Arc::new(Semaphore::new(config.concurrent_requests.max(1))),
        openapi: Bytes::from(openapi::json()),
        gateway,
        config,
        live,
    });
    Api { app }
}

impl Api {
    /// Everything: REST core, pages, health, metrics, event streams, dialects.
    pub fn router(&self) -> Router {
        let keyed = v1::keyed().layer(from_fn_with_state(self.app.clone(), admit::run));
        let (routes, _) = keyed.merge(v1::open()).split_for_parts();
        let routes = routes.merge(pages::routes()).fallback(mount::serve);
        self.dressed(routes)
    }

    /// Event streams and the health check alone, for a second listener.
    pub fn ws_router(&self) -> Router {
        let streams = v1::streams().layer(from_fn_with_state(self.app.clone(), admit::run));
        let (routes, _) = streams.merge(v1::health()).split_for_parts();
        self.dressed(routes.fallback(async || Problem::no_route()))
    }

    /// The REST core for callers within the process.
    pub fn rest(&self) -> Arc<dyn Rest> {
        Arc::new(InProcess::new(self.router(), self.app.config.body_bytes_max))
    }

    fn dressed(&self, routes: Router<App>) -> Router {
        routes
            .method_not_allowed_fallback(async || Problem::no_method())
            .layer(from_fn_with_state(self.app.clone(), work::run))
            .layer(from_fn_with_state(self.app.clone(), edge::run))
            .with_state(self.app.clone())
    }
}
