//! What a plugin answers, as an HTTP response.

use std::sync::LazyLock;

use axum::body::{Body, to_bytes};
use axum::http::header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, ETAG};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use axum::response::Response;
use base64::prelude::{BASE64_STANDARD, Engine};
use portico_api::ProblemCode;
use portico_core::access::Caller;
use portico_core::header;
use portico_core::ports::plugins::{Answer, AnswerBody, Outcome, PluginFailure};
use sha2::{Digest, Sha256};
use tower::ServiceExt;

use crate::api::App;
use crate::credentials::InProcessCaller;
use crate::problem::Problem;

/// What an answer may do in a browser: nothing.
const SEALED: &str = "default-src 'none'; sandbox";
/// Loads a page again after the seconds that it names: `<meta name="refresh-after" content="10">`. Browsers ignore a page's own way
/// of saying so in a sandbox.
const REFRESH: &str = "const after=document.querySelector('meta[name=\"refresh-after\"]'),seconds=after?Number(after.content):0;\
if(seconds>=1)setTimeout(()=>location.reload(),seconds*1000)";

/// What a page of a dialect may do: show pictures that it brings along, and styles of its own. The one script that runs in it is
/// [`REFRESH`], known by its hash. Without an origin of its own the page reaches nothing of this host.
static PAGE: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = BASE64_STANDARD.encode(Sha256::digest(REFRESH));
    let policy = format!(
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{hash}'; sandbox allow-scripts"
    );
    // Letters, digits and punctuation only: it can stand in a header.
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static(SEALED))
});

/// Bytes of a problem of the REST core at most.
const PROBLEM_BYTES_MAX: usize = 64 << 10;

/// Request headers that reach the REST core when its answer is streamed.
const PASSED_ON: [HeaderName; 4] = [
    axum::http::header::RANGE,
    axum::http::header::IF_RANGE,
    axum::http::header::IF_NONE_MATCH,
    axum::http::header::ACCEPT,
];
/// Headers of the REST core's answer that go with its body.
const KEPT: [HeaderName; 4] = [ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, ETAG];

/// The response to a request. A body that lies in the REST core is streamed with the caller's credentials.
pub(super) async fn response(
    app: &App,
    answer: Answer,
    is_page: bool,
    caller: Option<Caller>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let AnswerBody::Of(path) = &answer.body else { return plain(answer, is_page) };
    let source = fetched(app, path, caller, headers).await?;
    let (parts, body) = source.into_parts();
    let mut response = plain(Answer { body: AnswerBody::Bytes(Vec::new()), ..answer }, is_page)?;
    for name in KEPT {
        if let Some(value) = parts.headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    for (name, value) in &parts.headers {
        // The plugin's own words for the type or the name of a file come first.
        if [axum::http::header::CONTENT_TYPE, axum::http::header::CONTENT_DISPOSITION].contains(name) {
            response.headers_mut().entry(name).or_insert_with(|| value.clone());
        }
    }
    if matches!(parts.status, StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED) {
        *response.status_mut() = parts.status;
    }
    *response.body_mut() = body;
    Ok(response)
}

/// Asks the REST core for the body. What it refuses is refused here as well.
async fn fetched(app: &App, path: &str, caller: Option<Caller>, headers: &HeaderMap) -> Result<Response, Problem> {
    let uri: axum::http::Uri = path.parse().map_err(|_| unusable("a path"))?;
    if uri.authority().is_some() || !uri.path().starts_with("/v1/") {
        return Err(unusable("a path"));
    }
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = uri;
    for name in PASSED_ON {
        if let Some(value) = headers.get(&name) {
            request.headers_mut().insert(name, value.clone());
        }
    }
    request.extensions_mut().insert(InProcessCaller(caller));
    let router = app.core_router.get().ok_or_else(|| unusable("a path, before the REST core runs"))?;
    let source = match router.clone().oneshot(request).await {
        Ok(source) => source,
        Err(never) => match never {},
    };
    if source.status().is_client_error() || source.status().is_server_error() {
        return Err(problem_of(source).await);
    }
    Ok(source)
}

/// Reads a refusal of the REST core again.
async fn problem_of(source: Response) -> Problem {
    let body = to_bytes(source.into_body(), PROBLEM_BYTES_MAX).await.unwrap_or_default();
    match serde_json::from_slice::<portico_api::Problem>(&body) {
        Ok(problem) => Problem::new(problem.code, problem.detail),
        Err(_) => unusable("a path whose content can't be had"),
    }
}

/// The response of an answer whose body is in memory.
pub(super) fn plain(answer: Answer, is_page: bool) -> Result<Response, Problem> {
    let AnswerBody::Bytes(mut body) = answer.body else { return Err(unusable("a body elsewhere")) };
    if is_page && !body.is_empty() {
        body.extend_from_slice(format!("<script>{REFRESH}</script>").as_bytes());
    }
    let status = StatusCode::from_u16(answer.status).map_err(|_| unusable("a status"))?;
    if status.is_informational() {
        return Err(unusable("a status"));
    }
    let mut response = Response::new(Body::from(body));
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
    let policy = if is_page { PAGE.clone() } else { HeaderValue::from_static(SEALED) };
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    Ok(response)
}

fn unusable(what: &str) -> Problem {
    tracing::warn!("a plugin's answer has {what} that can't be sent");
    Problem::new(ProblemCode::PluginFailed, "the plugin's answer can't be sent")
}

/// The problem of a plugin that gave no answer.
pub(crate) fn failed(failure: &PluginFailure) -> Problem {
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
