//! The server itself: health, metrics, version, and this API's description.

use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use portico_api::{Health, Part, PartStatus, Version};
use portico_core::access::Scope;
use portico_core::ports::Tx;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::HandlerResult;
use crate::api::App;
use crate::extract::{Json, OptionalAuth};
use crate::metrics::{self, Snapshot};
use crate::peer;

/// The health check.
pub(super) fn health_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(health))
}

/// The routes that need no key.
pub(super) fn open_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(version)).routes(routes!(openapi))
}

/// The figures, which need no key from this machine.
pub(super) fn optional_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(metrics))
}

/// Check the health
///
/// Answers 200 whenever the process serves; `ready` and `parts` tell the rest. Needs no key and shows no secrets.
#[utoipa::path(get, path = "/health", tag = "server", security(()),
    responses((status = 200, description = "How the gateway fares", body = Health)))]
pub(super) async fn health(State(app): State<App>) -> Json<Health> {
    let store = app.services.ports.store.check().await;
    let mut parts = vec![Part {
        name: "store".to_owned(),
        status: if store.is_ok() { PartStatus::Ok } else { PartStatus::Down },
        detail: store.err().map(|e| e.to_string()),
    }];
    parts.extend((app.live.parts)());
    let status = parts.iter().map(|p| p.status).max().unwrap_or(PartStatus::Ok);
    let ready = status != PartStatus::Down && !app.live.is_stopping();
    let uptime_s = app.services.ports.now().since(app.started).as_secs();
    Json(Health { status, live: true, ready, version: env!("CARGO_PKG_VERSION").into(), uptime_s, parts })
}

/// Get the version
#[utoipa::path(get, path = "/v1/version", tag = "server", security(()),
    responses((status = 200, description = "The version", body = Version)))]
pub(super) async fn version() -> Json<Version> {
    Json(Version { version: env!("CARGO_PKG_VERSION").into(), api: "v1".into() })
}

/// Get the API's description
///
/// OpenAPI 3.1.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "server", security(()),
    responses((status = 200, description = "The document", body = Object)))]
pub(super) async fn openapi(State(app): State<App>) -> Response {
    ([(CONTENT_TYPE, "application/json")], app.openapi.clone()).into_response()
}

/// Get figures for Prometheus
///
/// Needs no key from the same machine; from elsewhere (or through a proxy) one with the scope `server:admin`.
#[utoipa::path(get, path = "/metrics", tag = "server", security(("key" = ["server:admin"]), ()),
    responses((status = 200, description = "Text format 0.0.4", body = String, content_type = "text/plain")))]
pub(super) async fn metrics(
    State(app): State<App>,
    OptionalAuth(ctx): OptionalAuth,
    request: Request,
) -> HandlerResult<Response> {
    if !is_local(&request) {
        let Some(ctx) = ctx else {
            let why = "metrics need a key with the scope `server:admin`, except from the same machine";
            return Err(portico_core::Error::Unauthenticated { why }.into());
        };
        ctx.caller().require(Scope::ServerAdmin)?;
    }
    let ports = &app.services.ports;
    let count = |tx: &mut dyn Tx| Ok((tx.device_count_by_state()?, tx.delivery_stats()?));
    let (devices, outbox) = ports.read(count).await?;
    let snapshot = Snapshot { devices, outbox, now: ports.now() };
    Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::render(&snapshot)).into_response())
}

/// Whether the request comes from this machine itself and not through a proxy on it.
fn is_local(request: &Request) -> bool {
    let forwarded = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
    peer::of(request).is_some_and(|ip| ip.to_canonical().is_loopback())
        && !forwarded.iter().any(|name| request.headers().contains_key(*name))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;
    use crate::peer::Peer;

    fn request(peer: Option<&str>, header: Option<&str>) -> Request {
        let mut builder = Request::get("/metrics");
        if let Some(header) = header {
            builder = builder.header(header, "192.0.2.1");
        }
        let mut request = builder.body(Body::empty()).unwrap();
        if let Some(peer) = peer {
            request.extensions_mut().insert(Peer(peer.parse().unwrap()));
        }
        request
    }

    #[test]
    fn only_this_machine_is_local() {
        assert!(is_local(&request(Some("127.0.0.1"), None)));
        assert!(is_local(&request(Some("::1"), None)));
        assert!(is_local(&request(Some("::ffff:127.0.0.1"), None)));
        assert!(!is_local(&request(Some("192.0.2.1"), None)));
        assert!(!is_local(&request(Some("127.0.0.1"), Some("X-Forwarded-For"))));
        assert!(!is_local(&request(None, None)));
    }
}
