//! Dialects: plugins that serve HTTP requests at `/d/<name>` and at root prefixes of their own.
//!
//! The host checks credentials and keeps them; the guest learns only whether they are valid. A dialect can't take a native
//! route: this is the router's fallback, and paths below a native route are never matched here. A request is
//! authenticated here, as each dialect names the header of its keys, and before its body is read.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use portico_core::Services;
use portico_core::access::Caller;
use portico_core::header;
use portico_core::ports::plugins::{Hook, Mount, Outcome, PluginFailure, PluginInfo, PluginRequest, PluginResponse};
use url::form_urlencoded;

use crate::api::App;
use crate::concurrency::Share;
use crate::credentials::{Principal, presented_in};
use crate::instrument::RouteLabel;
use crate::problem::Problem;
use crate::{auth, concurrency, rate_limit};
use portico_api::ProblemCode;

/// Where every dialect is served.
const OWN: &str = "/d/";
/// Paths that belong to the host, with everything below them.
const NATIVE: [&str; 5] = ["/v1", "/health", "/metrics", "/docs", "/d"];

/// A dialect and the path below its mount.
#[derive(Debug, PartialEq, Eq)]
struct MountMatch {
    plugin: String,
    mount: Mount,
    path: String,
}

/// Serves whatever no native route takes.
pub(crate) async fn serve(State(app): State<App>, request: Request) -> Response {
    let Some(found) = find(&app.services.plugins.list(), request.uri().path()) else {
        return Problem::no_route().into_response();
    };
    let label = RouteLabel(format!("dialect:{}", found.mount.name));
    let mut response = match handled(&app, found, request).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    };
    response.extensions_mut().insert(label);
    response
}

async fn handled(app: &App, found: MountMatch, mut request: Request) -> Result<Response, Problem> {
    let key = presented_in(request.headers(), &found.mount.key_header);
    let principal = auth::identified(app, key).await?;
    let left = rate_limit::count(app, &principal, Share::Common, &request);
    let mut response = match rate_limit::refusal(left) {
        Some(problem) => problem.into_response(),
        // Strangers are passed on to the guest, which has its own answer for them.
        None => {
            request.extensions_mut().insert(principal);
            let services = Arc::clone(&app.services);
            let call = |request: Request| async move {
                // The principal may have changed while the body came.
                let caller = request.extensions().get().and_then(Principal::caller).cloned();
                called(&services, &found, caller, request).await.unwrap_or_else(Problem::into_response)
            };
            concurrency::run(app, request, call).await
        }
    };
    rate_limit::announce(response.headers_mut(), left);
    Ok(response)
}

async fn called(
    services: &Services,
    found: &MountMatch,
    caller: Option<Caller>,
    request: Request,
) -> Result<Response, Problem> {
    let request = translated(found, request).await?;
    let answer = services.plugins.handle(&found.plugin, caller, request).await;
    answer.map_err(|failure| failed(&failure)).and_then(answered)
}

/// The dialect that serves a path: by name below `/d/`, else by the longest root prefix.
fn find(plugins: &[PluginInfo], path: &str) -> Option<MountMatch> {
    let mounted = || {
        let served = plugins.iter().filter(|p| p.hooks.contains(&Hook::HttpHandler));
        served.filter_map(|p| p.mount.as_ref().map(|m| (p, m)))
    };
    if let Some(rest) = path.strip_prefix(OWN) {
        let (name, below) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let (plugin, mount) = mounted().find(|(_, m)| m.name == name)?;
        return Some(MountMatch { plugin: plugin.id.clone(), mount: mount.clone(), path: below.to_owned() });
    }
    if NATIVE.iter().any(|native| is_below(path, native)) {
        return None;
    }
    let fits = mounted().flat_map(|(p, m)| m.root.iter().map(move |prefix| (p, m, prefix)));
    let (plugin, mount, _) = fits.filter(|(_, _, prefix)| is_below(path, prefix)).max_by_key(|(p, _, prefix)| {
        // Of two dialects that want the same prefix, the first by id has it.
        (prefix.trim_end_matches('/').len(), std::cmp::Reverse(p.id.clone()))
    })?;
    Some(MountMatch { plugin: plugin.id.clone(), mount: mount.clone(), path: path.to_owned() })
}

/// Whether `path` is `prefix` or lies below it, by whole segments.
fn is_below(path: &str, prefix: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

async fn translated(found: &MountMatch, request: Request) -> Result<PluginRequest, Problem> {
    let (parts, body) = request.into_parts();
    // The middleware has read it within the limit already.
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let query = parts.uri.query().unwrap_or_default();
    Ok(PluginRequest {
        method: parts.method.to_string(),
        path: found.path.clone(),
        query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        headers: shown(&parts.headers, &found.mount.key_header),
        body: body.into(),
    })
}

fn shown(headers: &HeaderMap, key_header: &str) -> Vec<(String, String)> {
    let text = |(name, value): (&HeaderName, &HeaderValue)| {
        let name = name.as_str();
        let hidden = header::is_hidden_from_plugins(name) || name == key_header;
        (!hidden).then(|| Some((name.to_owned(), value.to_str().ok()?.to_owned())))?
    };
    headers.iter().filter_map(text).collect()
}

fn answered(answer: PluginResponse) -> Result<Response, Problem> {
    let unusable = |what: &str| {
        tracing::warn!("a plugin's answer has {what} that can't be sent");
        Problem::new(ProblemCode::PluginFailed, "the plugin's answer can't be sent")
    };
    let status = StatusCode::from_u16(answer.status).map_err(|_| unusable("a status"))?;
    if status.is_informational() {
        return Err(unusable("a status"));
    }
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in &answer.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable("a header"))?;
        if header::is_kept_from_answers(name.as_str()) {
            continue;
        }
        headers.append(name, HeaderValue::from_str(value).map_err(|_| unusable("a header"))?);
    }
    // What a guest writes must not run as a page of this host.
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    Ok(response)
}

fn failed(failure: &PluginFailure) -> Problem {
    let code = match failure.outcome {
        Outcome::Wall | Outcome::Cpu => ProblemCode::PluginTimeout,
        Outcome::Breaker | Outcome::Busy | Outcome::Missing | Outcome::Unavailable => ProblemCode::PluginUnavailable,
        Outcome::Config
        | Outcome::InvalidInput
        | Outcome::Denied
        | Outcome::Internal
        | Outcome::Trap
        | Outcome::Memory
        | Outcome::CopyLimit
        | Outcome::BadAnswer => ProblemCode::PluginFailed,
    };
    tracing::warn!("plugin.id" = %failure.plugin, outcome = ?failure.outcome, detail = %failure.detail, "a dialect gave no answer");
    let why = format!("the plugin `{}` gave no answer; the log has the reason under this request id", failure.plugin);
    let problem = Problem::new(code, why);
    match code {
        ProblemCode::PluginUnavailable => problem.retry_after(std::time::Duration::from_secs(5)),
        _ => problem,
    }
}

#[cfg(test)]
mod tests;
