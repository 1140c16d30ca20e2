//! The REST core without a socket in between: what a dialect's `rest` import calls.
//!
//! A request takes the same way as one from outside, with two differences: its caller is handed over instead of looked up,
//! and it is not counted or timed, because the outer request that it serves is. Invariant: only `/v1/` and the health check can be
//! reached.

use std::net::IpAddr;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_PROTOCOL, TRANSFER_ENCODING, UPGRADE,
};
use axum::http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use portico_core::Error;
use portico_core::access::{Caller, keys};
use portico_core::ports::plugins::{Identified, PluginResponse, Rest, RestRequest};
use tower::ServiceExt;

use crate::api::App;
use crate::credentials::{API_KEY, InProcessCaller};
use crate::peer::{self, Peer};
use crate::problem::{Problem, Reader, render};

/// Maximum size of an answer that is handed on, in bytes.
const ANSWER_BYTES_MAX: usize = 8 << 20;
/// Request headers that are dropped: credentials, and those that concern one connection.
const DROPPED: [HeaderName; 7] =
    [AUTHORIZATION, API_KEY, SEC_WEBSOCKET_PROTOCOL, CONNECTION, UPGRADE, CONTENT_LENGTH, TRANSFER_ENCODING];

/// The implementation of [`Rest`].
pub(crate) struct InProcess {
    app: App,
    router: Router,
}

impl InProcess {
    pub(crate) fn new(app: App, router: Router) -> Self {
        Self { app, router }
    }
}

#[async_trait]
impl Rest for InProcess {
    async fn call(&self, caller: Option<Caller>, request: RestRequest) -> PluginResponse {
        let response = match built(caller, request, self.app.config.body_bytes_max) {
            Ok(request) => match self.router.clone().oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            },
            Err(problem) => render(problem.into_response(), "", Reader::Dialect),
        };
        answered(response).await
    }

    async fn identify(&self, key: &str, peer: Option<IpAddr>) -> Identified {
        match keys::authenticate_within(&self.app.services.ports, key, peer.map(peer::network)).await {
            Ok(caller) => Identified::Known(caller),
            Err(Error::Busy { .. }) => Identified::TooMany,
            // Also while the store does not answer: then nobody is known.
            Err(_) => Identified::Unknown,
        }
    }
}

fn built(caller: Option<Caller>, from: RestRequest, body_bytes_max: usize) -> Result<Request<Body>, Problem> {
    if from.body.len() > body_bytes_max {
        return Err(Error::TooLarge { what: "the body", limit_bytes: body_bytes_max as u64 }.into());
    }
    let uri: Uri = from.path.parse().map_err(|_| bad("path", "is not a path with an optional query"))?;
    let method = Method::from_bytes(from.method.as_bytes()).map_err(|_| bad("method", "is no HTTP method"))?;
    // The health check tells everybody the same.
    if uri.authority().is_some() || !(uri.path().starts_with("/v1/") || uri.path() == "/health") {
        return Err(bad("path", "must begin with `/v1/` or be `/health`"));
    }
    let mut request = Request::new(Body::from(from.body));
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    for (name, value) in from.headers {
        let name =
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad("headers", "hold a name that can't be one"))?;
        if DROPPED.contains(&name) {
            continue;
        }
        let value = HeaderValue::from_str(&value).map_err(|_| bad("headers", "hold a value that can't be one"))?;
        request.headers_mut().append(name, value);
    }
    request.extensions_mut().insert(InProcessCaller(caller));
    if let Some(address) = from.peer {
        request.extensions_mut().insert(Peer(address));
    }
    if request.uri().path() == "/v1/events" && accepts_stream(&request) {
        let why = "a dialect can't follow a stream; read pages with `?after=`";
        return Err(Error::Unsupported { why: why.to_owned() }.into());
    }
    Ok(request)
}

fn accepts_stream(request: &Request<Body>) -> bool {
    let accept = request.headers().get_all("accept");
    accept.iter().any(|v| v.to_str().is_ok_and(|v| v.contains("text/event-stream")))
}

fn bad(field: &str, why: &str) -> Problem {
    Error::invalid(field, why).into()
}

async fn answered(response: Response) -> PluginResponse {
    let (parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, ANSWER_BYTES_MAX).await else {
        tracing::error!(limit_bytes = ANSWER_BYTES_MAX, "an answer of the REST core is too large for a plugin");
        let status = StatusCode::INTERNAL_SERVER_ERROR.as_u16();
        return PluginResponse { status, headers: Vec::new(), body: Vec::new() };
    };
    let text = |(name, value): (&HeaderName, &HeaderValue)| Some((name.to_string(), value.to_str().ok()?.to_owned()));
    PluginResponse {
        status: parts.status.as_u16(),
        headers: parts.headers.iter().filter_map(text).collect(),
        body: body.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, path: &str) -> RestRequest {
        let headers =
            vec![("Authorization".to_owned(), "Bearer stolen".to_owned()), ("x-a".to_owned(), "b".to_owned())];
        RestRequest { method: method.to_owned(), path: path.to_owned(), headers, body: Vec::new(), peer: None }
    }

    #[test]
    fn only_the_rest_core_can_be_reached() {
        for path in
            ["/healthy", "/metrics", "/", "/d/instances/x", "http://example.com/v1/devices", "v1/devices", "/v1"]
        {
            assert!(built(None, request("GET", path), 10).is_err(), "{path}");
        }
        assert!(built(None, request("GET", "/v1/devices?limit=1"), 10).is_ok());
        assert!(built(None, request("GET", "/health"), 10).is_ok());
        assert!(built(None, request("NOT A METHOD", "/v1/devices"), 10).is_err());
    }

    #[test]
    fn credentials_do_not_come_along_but_the_caller_does() {
        let request = built(None, request("GET", "/v1/devices"), 10).unwrap();
        assert!(!request.headers().contains_key(AUTHORIZATION));
        assert_eq!(request.headers()["x-a"], "b");
        assert!(request.extensions().get::<InProcessCaller>().is_some());
    }

    #[test]
    fn the_body_limit_holds() {
        let large = RestRequest { body: vec![0; 11], ..request("POST", "/v1/devices") };
        assert_eq!(built(None, large, 10).unwrap_err().code.as_str(), "too_large");
    }
}
