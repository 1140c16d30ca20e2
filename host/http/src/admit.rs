//! Admission to the REST core: who asks, and whether there are not too many requests.
//!
//! Leaves an [`Identity`] on the request for the extractors; whether a caller is needed is for each route to say.

use std::net::IpAddr;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::api::App;
use crate::credentials::{Identity, Injected, identify, presented};
use crate::problem::Problem;
use crate::rate::{Left, Who};

/// The other end of the connection a request came on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// The middleware of every route that looks at keys.
pub(crate) async fn run(State(app): State<App>, mut request: Request, next: Next) -> Response {
    if let Some(Injected(caller)) = request.extensions().get::<Injected>() {
        // The request that led here was counted already.
        let identity = caller.clone().map_or(Identity::Nobody, Identity::Known);
        request.extensions_mut().insert(identity);
        return next.run(request).await;
    }
    let identity = match identify(&app.gateway.core, presented(request.headers())).await {
        Ok(identity) => identity,
        Err(problem) => return problem.into_response(),
    };
    let left = count(&app, &identity, peer(&request));
    let mut response = match refusal(left) {
        Some(problem) => problem.into_response(),
        None => {
            request.extensions_mut().insert(identity);
            next.run(request).await
        }
    };
    announce(response.headers_mut(), left);
    response
}

/// The address a request came from.
pub(crate) fn peer(request: &Request) -> Option<IpAddr> {
    request.extensions().get::<Peer>().map(|p| p.0)
}

/// Counts a request towards the limit of whoever makes it.
pub(crate) fn count(app: &App, identity: &Identity, address: Option<IpAddr>) -> Option<Left> {
    let who = match identity {
        Identity::Known(caller) => Who::Key(caller.key().clone()),
        Identity::Nobody | Identity::Refused(_) => Who::at(address),
    };
    app.limiter.take(who, Instant::now())
}

/// The answer to one request too many.
pub(crate) fn refusal(left: Option<Left>) -> Option<Problem> {
    let wait = left?.wait?;
    let why = "too many requests; `Retry-After` says when the next one may come";
    Some(Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", why).retry_after(ceil(wait)))
}

/// Tells the caller what is left, as `RateLimit-*` headers.
pub(crate) fn announce(headers: &mut HeaderMap, left: Option<Left>) {
    let Some(left) = left else { return };
    for (name, value) in [
        ("ratelimit-limit", u64::from(left.limit)),
        ("ratelimit-remaining", u64::from(left.remaining)),
        ("ratelimit-reset", ceil(left.full_in).as_secs()),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
    }
}

fn ceil(span: std::time::Duration) -> std::time::Duration {
    let whole = span.as_secs() + u64::from(span.subsec_nanos() > 0);
    std::time::Duration::from_secs(whole)
}
