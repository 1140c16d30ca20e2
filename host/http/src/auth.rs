//! Authentication: the middleware that finds out who sends a request and refuses those who may not use the route.
//!
//! It runs before [`crate::concurrency`], and so before a request's body is read: a refused request has cost no memory.
//! Hyper then drains what little of the body has arrived, or closes the connection. The [`Principal`] is left on the
//! request for the extractors. Mounts authenticate by themselves, as each dialect names the header of its keys.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use portico_core::Error;
use portico_core::access::Caller;

use crate::api::App;
use crate::credentials::{InProcessCaller, Principal, identify, presented};
use crate::problem::Problem;
use crate::{concurrency, rate_limit};

/// The middleware of routes that need a key.
pub(crate) async fn required(State(app): State<App>, request: Request, next: Next) -> Response {
    run(&app, request, next, |principal| principal.required().map(Some)).await
}

/// The middleware of routes that serve some requests without a key; their handlers say which.
pub(crate) async fn optional(State(app): State<App>, request: Request, next: Next) -> Response {
    run(&app, request, next, Principal::optional).await
}

async fn run(
    app: &App,
    mut request: Request,
    next: Next,
    check: fn(&Principal) -> Result<Option<&Caller>, Error>,
) -> Response {
    let (principal, left) = match request.extensions().get::<InProcessCaller>() {
        // The outer request, of which this one is a part, was counted already.
        Some(InProcessCaller(caller)) => (caller.clone().map_or(Principal::Anonymous, Principal::Authenticated), None),
        None => match identified(app, presented(request.headers())).await {
            Ok(principal) => {
                let left = rate_limit::count(app, &principal, &request);
                (principal, left)
            }
            Err(problem) => return problem.into_response(),
        },
    };
    let refused = rate_limit::refusal(left).or_else(|| check(&principal).err().map(Problem::from));
    let mut response = match refused {
        Some(problem) => problem.into_response(),
        None => {
            request.extensions_mut().insert(principal);
            next.run(request).await
        }
    };
    rate_limit::announce(response.headers_mut(), left);
    response
}

/// Finds out who presents `key`. The concurrency permit for that is given back before the body comes: a slow body must not
/// hold any.
pub(crate) async fn identified(app: &App, key: Option<&str>) -> Result<Principal, Problem> {
    let _permit = match key {
        Some(_) => Some(concurrency::permit(app).await?),
        None => None,
    };
    identify(&app.services.ports, key).await
}
