//! Dialects: plugins that serve HTTP requests at `/d/<name>` and at paths of their own at the root.
//!
//! A plugin says its routes as data. Here they are matched, credentials are looked at, requests are counted, and the plugin
//! is called with what is left: a route's number, parameters, and who asks. What the host itself refuses is said in the
//! plugin's own words ([`refuse`]). A dialect can't take a native route: this is the router's fallback, and paths below a
//! native route are never matched. Credentials and counts come before the body is read.
//!
//! ```text
//! path ── table ── credentials ── limits ── body ── claims in order ── answer
//!           404        401          429      413      pass: the next     of(path): streamed
//! ```

mod answer;
mod cors;
mod credentials;
mod files;
mod limits;
mod refuse;
mod table;

pub(crate) use answer::failed;
pub(crate) use limits::Windows;
pub(crate) use table::{Tables, is_native, own};

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use portico_api::ProblemCode;
use portico_core::access::Caller;
use portico_core::header;
use portico_core::ports::plugins::{Handled, PluginInfo, PluginRequest, RequestContent};
use url::form_urlencoded;

use crate::api::App;
use crate::concurrency::{self, Share, Upload};
use crate::credentials::Principal;
use crate::instrument::RouteLabel;
use crate::problem::Problem;
use crate::{peer, rate_limit};
use table::{Claim, Match, Table};

/// Serves whatever no native route takes.
pub(crate) async fn serve(State(app): State<App>, request: Request) -> Response {
    let table = app.dialects.of(&app.services.plugins.list());
    if let Some(preflight) = cors::preflight(&app.config.dialect_cors, &table, &request) {
        return preflight;
    }
    let Some(found) = table.find(request.method(), request.uri().path()) else {
        return Problem::no_route().into_response();
    };
    let origin = cors::allowed(&app.config.dialect_cors, &table, &found.matched, request.headers());
    let label = RouteLabel(found.label(&table));
    let told = refuse::Told::of(&request, &found.path);
    let speaker = found.speaker();
    let response = match found.matched {
        Match::Routes(claims) => claimed(&app, table.clone(), claims, found.path, request).await,
        Match::OtherMethods { .. } => Problem::no_method().into_response(),
        Match::Nothing { .. } => Problem::no_route().into_response(),
    };
    let mut response = refuse::in_own_words(&app, &table, speaker, told, response).await;
    cors::announce(origin, response.headers_mut());
    response.extensions_mut().insert(label);
    response
}

/// Refuses something that is no request of a route, in the words of a plugin. `plugins` is the list that `speaker` counts in.
pub(crate) async fn refused(
    app: &App,
    plugins: &Arc<[PluginInfo]>,
    speaker: usize,
    asked: (&Method, &str),
    problem: Problem,
) -> Response {
    let table = app.dialects.of(plugins);
    let told = refuse::Told::new(asked.0, asked.1);
    refuse::in_own_words(app, &table, (speaker, None), told, problem.into_response()).await
}

/// Serves a request that routes of one or more plugins fit.
async fn claimed(app: &App, table: Arc<Table>, claims: Vec<Claim>, path: String, mut request: Request) -> Response {
    let peer = peer::of(&request);
    let mut left = app.windows.by_address(&table, &claims, peer);
    let checked = match &left {
        Some(left) if left.is_spent() => Err(Problem::too_many(left.wait)),
        _ => credentials::checked(app, &table, claims, request.headers()).await,
    };
    let (claims, principal) = match checked {
        Ok(checked) => checked,
        Err(problem) => return limits::announced(problem.into_response(), left.as_ref()),
    };
    let common = rate_limit::count(app, &principal, Share::Common, &request);
    if let Some(problem) = rate_limit::refusal(common) {
        return limits::announced(problem.into_response(), left.as_ref());
    }
    left = limits::tighter(left, app.windows.by_caller(&table, &claims, &principal));
    if let Some(wait) = left.as_ref().and_then(|left| left.is_spent().then_some(left.wait)) {
        return limits::announced(Problem::too_many(wait).into_response(), left.as_ref());
    }
    let kind = match claims.first().map(|claim| files::kind(table.route(claim), request.headers())).transpose() {
        Ok(kind) => kind.flatten().filter(|_| principal.caller().is_some()),
        Err(problem) => return limits::announced(problem.into_response(), left.as_ref()),
    };
    request.extensions_mut().insert(principal);
    let shared = Arc::clone(app);
    let mut response = match kind {
        None => {
            let call = |request: Request| async move {
                called(&shared, &table, &claims, path, request).await.unwrap_or_else(Problem::into_response)
            };
            concurrency::run(app, request, call).await
        }
        Some(kind) => {
            let call = |request: Request| async move {
                lifted(&shared, &table, &claims, path, kind, request).await.unwrap_or_else(Problem::into_response)
            };
            concurrency::run_streamed(app, request, call).await
        }
    };
    if left.is_none() {
        rate_limit::announce(response.headers_mut(), common);
    }
    limits::announced(response, left.as_ref())
}

/// Serves a request whose body is in memory: the middleware has read it within the limit already.
async fn called(
    app: &App,
    table: &Table,
    claims: &[Claim],
    path: String,
    request: Request,
) -> Result<Response, Problem> {
    let asked = Asked::of(path, &request);
    let (parts, body) = request.into_parts();
    let body = Vec::from(to_bytes(body, usize::MAX).await.unwrap_or_default());
    // The caller may have changed while the body came.
    let caller = parts.extensions.get::<Principal>().and_then(Principal::caller).cloned();
    for claim in claims {
        if let Some(limit) = table.route(claim).body_bytes_max
            && body.len() > limit
        {
            return Err(Problem::body_too_large(limit as u64));
        }
    }
    answered(app, table, claims, asked, caller, RequestContent::Bytes(body)).await
}

/// Serves a request whose files are stored while its body comes.
async fn lifted(
    app: &App,
    table: &Table,
    claims: &[Claim],
    path: String,
    kind: files::Kind,
    request: Request,
) -> Result<Response, Problem> {
    let asked = Asked::of(path, &request);
    let caller = request.extensions().get::<Principal>().and_then(Principal::caller).cloned();
    let (Some(claim), Some(caller)) = (claims.first(), caller) else { return Err(Problem::no_route()) };
    let mut upload = match Upload::from_request(request, app).await {
        Ok(upload) => upload,
        Err(never) => match never {},
    };
    let content = files::content(app, &caller, table.route(claim), kind, &mut upload).await?;
    upload.arrived().await?;
    answered(app, table, claims, asked, Some(caller), content).await
}

/// What of a request is the same for every plugin that is asked.
struct Asked {
    path: String,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    peer: Option<IpAddr>,
}

impl Asked {
    fn of(path: String, request: &Request) -> Self {
        let query = request.uri().query().unwrap_or_default();
        Self {
            path,
            query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            headers: request.headers().clone(),
            peer: peer::of(request),
        }
    }
}

/// Asks the plugins that claim the route, in order, until one does not pass.
async fn answered(
    app: &App,
    table: &Table,
    claims: &[Claim],
    asked: Asked,
    caller: Option<Caller>,
    content: RequestContent,
) -> Result<Response, Problem> {
    let Asked { path, query, headers, peer } = asked;
    for claim in claims {
        let route = table.route(claim);
        if caller.is_none() && claim.is_known && !route.is_public() {
            let why = "the key of this request was revoked or expired while its body came";
            return Err(Problem::new(ProblemCode::Unauthenticated, why));
        }
        let asked = PluginRequest {
            route: claim.route,
            params: claim.params.clone(),
            path: path.clone(),
            query: query.clone(),
            headers: shown(&headers, table),
            content: content.clone(),
            caller: caller.clone().filter(|_| claim.is_known),
            peer,
        };
        match app.services.plugins.handle(table.plugin(claim.plugin), asked).await {
            Ok(Handled::Answer(answer)) => {
                return answer::response(app, answer, route.page, caller, &headers).await;
            }
            Ok(Handled::Pass) => {}
            Err(failure) => return Err(answer::failed(&failure)),
        }
    }
    Err(Problem::no_route())
}

/// The headers a plugin sees: none that carry credentials, whatever they are called.
fn shown(headers: &HeaderMap, table: &Table) -> Vec<(String, String)> {
    let text = |(name, value): (&HeaderName, &HeaderValue)| {
        let name = name.as_str();
        let hidden = header::is_hidden_from_plugins(name) || table.is_credential(name);
        (!hidden).then(|| Some((name.to_owned(), value.to_str().ok()?.to_owned())))?
    };
    headers.iter().filter_map(text).collect()
}

#[cfg(test)]
mod tests;
