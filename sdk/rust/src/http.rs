//! The hook `http-handler`: requests at the plugin's mount, and the REST core they are translated to.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::portico::plugin::rest;
use crate::bindings::portico::plugin::types::{Context, HookError};

pub use crate::bindings::exports::portico::plugin::http_handler::{Request, Response};

/// Serves requests.
pub trait HttpHandler {
    /// Answers one request. `core` is the REST core with the caller's credentials; it needs the grant `rest`.
    fn handle(ctx: &Context, request: Request, core: &dyn Transport) -> Result<Response, HookError>;
}

/// How requests reach the REST core: the host in a component, a fake in unit tests.
pub trait Transport {
    /// Runs one request of the REST core.
    fn call(&self, request: rest::Request) -> Result<rest::Response, rest::RestError>;
}

/// The host's own import.
pub struct Host;

impl Transport for Host {
    fn call(&self, request: rest::Request) -> Result<rest::Response, rest::RestError> {
        if cfg!(target_arch = "wasm32") {
            rest::call(&request)
        } else {
            Err(rest::RestError::Unavailable("there is no host outside a component".into()))
        }
    }
}

/// A request's body that is not what the endpoint takes.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// No body came.
    #[error("a JSON body is needed")]
    Missing,
    /// The body is not JSON, or lacks a field.
    #[error("the body can't be used: {0}")]
    Json(#[from] serde_json::Error),
}

impl Request {
    /// The body as JSON of a type of the plugin's own.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, BodyError> {
        if self.body.is_empty() {
            return Err(BodyError::Missing);
        }
        Ok(serde_json::from_slice(&self.body)?)
    }

    /// The first value of a header; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The first value of a query parameter.
    pub fn query_value(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Whether good credentials came with it.
    pub fn is_authenticated(&self) -> bool {
        self.caller == "key"
    }

    /// The path's segments, without empty ones. Percent-encoding is left as it came.
    pub fn segments(&self) -> Vec<&str> {
        self.path.split('/').filter(|s| !s.is_empty()).collect()
    }

    /// A request for unit tests: authenticated, with a JSON body if one is given.
    pub fn for_tests(method: &str, path: &str, body: Option<&serde_json::Value>) -> Self {
        Self {
            method: method.into(),
            path: path.into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: body.map(|b| b.to_string().into_bytes()).unwrap_or_default(),
            caller: "key".into(),
        }
    }
}

impl Response {
    /// A JSON answer. A value that can't be written becomes an empty 500.
    pub fn json(status: u16, body: &impl Serialize) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        match serde_json::to_vec(body) {
            Ok(body) => Self { status, headers, body },
            Err(_) => Self { status: 500, headers: Vec::new(), body: Vec::new() },
        }
    }
}
