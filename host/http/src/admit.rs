//! Admission: who asks, whether there are not too many requests, and whether that is good enough for the route.
//!
//! It comes before [`crate::work`], and so before a request's body: what is refused here has cost no memory. Hyper then
//! drains what little of the body is there already, or closes the connection. Leaves an [`Identity`] on the request for
//! the extractors. Mounts admit by themselves, as each names the header of its keys.

use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use portico_core::Error;
use portico_core::access::Caller;

use crate::api::App;
use crate::credentials::{Identity, Injected, identify, presented};
use crate::peer;
use crate::problem::Problem;
use crate::rate::Left;
use crate::work;

/// The middleware of routes that need a key.
pub(crate) async fn required(State(app): State<App>, request: Request, next: Next) -> Response {
    run(&app, request, next, |identity| identity.required().map(Some)).await
}

/// The middleware of routes that look at keys, and each say themselves when none is needed.
pub(crate) async fn optional(State(app): State<App>, request: Request, next: Next) -> Response {
    run(&app, request, next, Identity::optional).await
}

async fn run(
    app: &App,
    mut request: Request,
    next: Next,
    good_enough: fn(&Identity) -> Result<Option<&Caller>, Error>,
) -> Response {
    let (identity, left) = match request.extensions().get::<Injected>() {
        // The request that led here was counted already.
        Some(Injected(caller)) => (caller.clone().map_or(Identity::Nobody, Identity::Known), None),
        None => match identified(app, presented(request.headers())).await {
            Ok(identity) => {
                let left = count(app, &identity, &request);
                (identity, left)
            }
            Err(problem) => return problem.into_response(),
        },
    };
    let refused = refusal(left).or_else(|| good_enough(&identity).err().map(Problem::from));
    let mut response = match refused {
        Some(problem) => problem.into_response(),
        None => {
            request.extensions_mut().insert(identity);
            next.run(request).await
        }
    };
    announce(response.headers_mut(), left);
    response
}

/// Finds out who presents `key`. That takes a turn of its own, which is over before the body comes: one that comes slowly
/// must not hold any.
pub(crate) async fn identified(app: &App, key: Option<&str>) -> Result<Identity, Problem> {
    let _turn = match key {
        Some(_) => Some(work::turn(app).await?),
        None => None,
    };
    identify(&app.services.ports, key).await
}

/// Counts a request towards the limits of whoever makes it.
pub(crate) fn count(app: &App, identity: &Identity, request: &Request) -> Option<Left> {
    app.limiter.count(identity, peer::of(request), Instant::now())
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
