//! Authentication: the middleware that finds out who sends a request and refuses those who may not use the route.
//!
//! It runs before [`crate::concurrency`], and so before a request's body is read: a request without a valid key, or whose
//! key lacks the scope the route needs, has cost no memory when it is refused. Hyper then drains what little of the body has
//! arrived, or closes the connection. The [`Principal`] is left on the request for the extractors. Mounts authenticate by
//! themselves, as each dialect names the header of its keys.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use portico_core::Error;
use portico_core::access::{Caller, Scope};
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::Operation;

use crate::api::App;
use crate::concurrency::{self, Share};
use crate::credentials::{InProcessCaller, Principal, identify, presented};
use crate::problem::Problem;
use crate::{openapi, rate_limit};

/// The scope each route needs, by path pattern and method, as the routes declare it in their `security`.
pub(crate) struct RouteScopes(HashMap<(String, Method), Scope>);

impl RouteScopes {
    /// Reads the declarations. A route that also serves requests without a key checks scopes in its handler.
    pub(crate) fn of(routes: &OpenApi) -> Self {
        let mut scopes = HashMap::new();
        for (path, item) in &routes.paths.paths {
            let operations = [
                (Method::GET, &item.get),
                (Method::POST, &item.post),
                (Method::PUT, &item.put),
                (Method::PATCH, &item.patch),
                (Method::DELETE, &item.delete),
            ];
            for (method, operation) in operations {
                if let Some(scope) = operation.as_ref().and_then(declared) {
                    scopes.insert((path.clone(), method), scope);
                }
            }
        }
        Self(scopes)
    }

    fn needed_by(&self, request: &Request) -> Option<Scope> {
        let path = request.extensions().get::<MatchedPath>()?.as_str().to_owned();
        let method = match *request.method() {
            Method::HEAD => Method::GET,
            ref other => other.clone(),
        };
        self.0.get(&(path, method)).copied()
    }
}

/// The one scope without which an operation can't be used.
pub(crate) fn declared(operation: &Operation) -> Option<Scope> {
    let [requirement] = operation.security.as_deref()? else { return None };
    openapi::scopes(requirement)?.first().and_then(|name| Scope::from_name(name))
}

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
    let scope = app.scopes.needed_by(&request);
    let in_process = request.extensions().get::<InProcessCaller>().cloned();
    let (principal, share, left) = match in_process {
        // The outer request, of which this one is a part, was counted already.
        Some(InProcessCaller(caller)) => (caller.map_or(Principal::Anonymous, Principal::vouched), Share::Common, None),
        None => match identified(app, presented(request.headers())).await {
            Ok(principal) => {
                let share = share(&principal, scope);
                let left = rate_limit::count(app, &principal, share, &request);
                (principal, share, left)
            }
            Err(problem) => return problem.into_response(),
        },
    };
    let refused = rate_limit::refusal(left).or_else(|| allowed(check(&principal), scope).err().map(Problem::from));
    let mut response = match refused {
        Some(problem) => problem.into_response(),
        None => {
            request.extensions_mut().insert(principal);
            request.extensions_mut().insert(share);
            next.run(request).await
        }
    };
    rate_limit::announce(response.headers_mut(), left);
    response
}

fn allowed(caller: Result<Option<&Caller>, Error>, scope: Option<Scope>) -> Result<(), Error> {
    match (caller?, scope) {
        (Some(caller), Some(scope)) => caller.require(scope),
        _ => Ok(()),
    }
}

/// Requests with which keys are revoked and the server is run have a share of every limit for themselves.
fn share(principal: &Principal, scope: Option<Scope>) -> Share {
    match (principal, scope) {
        (Principal::Authenticated(key), Some(scope @ (Scope::KeysWrite | Scope::ServerAdmin)))
            if key.caller.has(scope) =>
        {
            Share::Reserved
        }
        _ => Share::Common,
    }
}

/// Finds out who presents `key`. Look-ups have permits of their own, so that slow requests don't delay them.
pub(crate) async fn identified(app: &App, key: Option<&str>) -> Result<Principal, Problem> {
    let Some(key) = key else { return Ok(Principal::Anonymous) };
    let _permit = concurrency::wait_for(Arc::clone(&app.key_lookups), app.config.queue_timeout).await?;
    identify(&app.services.ports, key).await
}
