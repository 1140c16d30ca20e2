//! Sockets of dialects: WebSockets that clients of a documented API open at the root of any listener, at other paths that a
//! plugin names, and below the plugin's own mount.
//!
//! The host accepts, authenticates, counts, follows the tenant's events and keeps the connection; the plugin is asked what it
//! says to the client ([`party`]). Nothing of a plugin lives between two calls. A socket reads the next events when its client
//! has taken the last ones, so that a slow client costs one page of memory, and is closed when it takes nothing for too long.
//!
//! ```text
//! GET with Upgrade ── endpoints ── credentials ── rate ── quotas ── opened ── 101 ── connection
//!                     next layer      401          429      429     404, 5xx
//! ```

mod connection;
mod credentials;
mod endpoints;
mod party;
mod quota;

pub(crate) use endpoints::Endpoints;
pub(crate) use quota::OpenSockets;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::UPGRADE;
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::Response;
use portico_core::event::EventKind;
use portico_core::event::feed::{self, Wanted};
use portico_core::{Error, OpContext};
use url::form_urlencoded;

use self::connection::Connection;
use self::endpoints::{Claim, Table};
use self::party::Parties;
use crate::api::App;
use crate::concurrency::Share;
use crate::credentials::InProcessCaller;
use crate::instrument::RouteLabel;
use crate::problem::Problem;
use crate::stream::{Feed, ws};
use crate::{dialect, peer, rate_limit};

/// The middleware that takes upgrades at the paths of plugins and leaves everything else to the routes.
pub(crate) async fn divert(State(app): State<App>, request: Request, next: Next) -> Response {
    if !is_upgrade(&request) {
        return next.run(request).await;
    }
    let plugins = app.services.plugins.list();
    let table = app.sockets.of(&plugins);
    let claims = table.find(request.uri().path());
    let Some(first) = claims.first() else { return next.run(request).await };
    let (speaker, label) = (first.plugin, table.label(first));
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut response = match opened(&app, &table, claims, request).await {
        Ok(response) => response,
        Err(problem) => dialect::refused(&app, &plugins, speaker, (&method, &path), problem).await,
    };
    response.extensions_mut().insert(RouteLabel(label));
    response
}

/// Whether it asks for a WebSocket, and comes from outside.
fn is_upgrade(request: &Request) -> bool {
    let asks = |headers: &HeaderMap| {
        headers.get_all(UPGRADE).iter().any(|v| v.to_str().is_ok_and(|v| v.eq_ignore_ascii_case("websocket")))
    };
    request.method() == Method::GET
        && asks(request.headers())
        && request.extensions().get::<InProcessCaller>().is_none()
}

/// Opens a socket, or says why not before anything is upgraded.
async fn opened(app: &App, table: &Table, claims: Vec<Claim>, request: Request) -> Result<Response, Problem> {
    let (peer, pairs) = (peer::of(&request), request.uri().query().unwrap_or_default());
    let query: Vec<(String, String)> = form_urlencoded::parse(pairs.as_bytes()).into_owned().collect();
    let shown = credentials::shown(app, table, &claims, &query).await?;
    let principal = credentials::principal(&shown);
    if let Some(problem) = rate_limit::refusal(rate_limit::count(app, &principal, Share::Common, &request)) {
        return Err(problem);
    }
    let claims = credentials::met(table, claims, &shown)?;
    let caller = principal.required()?.clone();
    let (mut parts, _) = request.into_parts();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, app).await;
    let upgrade = upgrade.map_err(|why| Error::invalid("Upgrade", format!("can't be followed: {why}")))?;

    let (of_tenant, permits) = app.open_sockets.acquire(&app.config, &caller)?;
    let ctx = OpContext::new(app.services.clone(), caller.clone(), None);
    let mut wanted = Wanted::new(None, kinds(table, &claims, &ctx)?.iter().map(|kind| kind.as_str()))?;
    let after = feed::start(&ctx, &mut wanted, None).await?;
    let feed = Feed::new(app, ctx, wanted, after, of_tenant);
    let query = credentials::without(table, &claims, query);
    let parties = Parties::opened(app, table, &claims, query, caller, peer).await?;
    let connection = Connection::new(app, feed, parties);
    let upgrade = ws::small(upgrade, connection::hard_limit(&app.config));
    Ok(upgrade.on_upgrade(move |socket| async move {
        connection.run(socket).await;
        drop(permits);
    }))
}

/// The kinds of events that any of the plugins is told of, as far as the caller may see them: at least one.
fn kinds(table: &Table, claims: &[Claim], ctx: &OpContext) -> Result<Vec<EventKind>, Error> {
    let named = |kind: &EventKind| claims.iter().any(|claim| table.endpoint(claim).events.contains(kind));
    let seen = |kind: &EventKind| kind.scope().is_none_or(|scope| ctx.caller().has(scope));
    let kinds: Vec<_> = EventKind::ALL.into_iter().filter(|kind| named(kind) && seen(kind)).collect();
    if kinds.is_empty() {
        let why = "this key may see no event that the socket tells of; use one with `messages:read` and `devices:read`";
        return Err(Error::Forbidden { why: why.to_owned() });
    }
    Ok(kinds)
}

#[cfg(test)]
mod tests;
