//! The hook `http-handler`: requests at the plugin's mount, and the REST core they are translated to.
//!
//! A documented API is best written as a table: [`crate::dialect`].

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::portico::plugin::rest;
use crate::bindings::portico::plugin::types::{Context, HookError};

pub use crate::bindings::exports::portico::plugin::http_handler::{
    Body, Caller, Content, Identity, Outcome, Part, PartValue, Refusal, Request, Response, Route, Upload,
};
pub use crate::bindings::portico::plugin::assume::AssumeError;

/// Serves requests.
pub trait HttpHandler {
    /// What is served, said once when the plugin is installed. Pure.
    fn routes() -> Vec<Route>;

    /// Answers one request. `core` is the REST core with the caller's credentials; it needs the grant `rest`.
    fn handle(ctx: &Context, request: Request, core: &dyn Transport) -> Result<Outcome, HookError>;

    /// Says what the host refuses in the words of this API. Pure.
    fn refuse(ctx: &Context, why: Refusal) -> Result<Response, HookError>;
}

/// How requests reach the REST core: the host in a component, a fake in unit tests.
pub trait Transport {
    /// Runs one request of the REST core.
    fn call(&self, request: rest::Request) -> Result<rest::Response, rest::RestError>;

    /// What a fake says to [`crate::gateway::Gateway::assume`]. A component calls its import instead: a method that is always
    /// there would make every dialect ask for the grant `assume`.
    #[cfg(not(target_arch = "wasm32"))]
    fn assume(&self, _key: &str) -> Result<(), AssumeError> {
        Err(AssumeError::Denied("there is no host outside a component".into()))
    }
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
        match &self.content {
            Content::Bytes(body) if !body.is_empty() => Ok(serde_json::from_slice(body)?),
            Content::Bytes(_) | Content::Parts(_) => Err(BodyError::Missing),
        }
    }

    /// The parts of a multipart body; empty for another one.
    pub fn parts(&self) -> &[Part] {
        match &self.content {
            Content::Parts(parts) => parts,
            Content::Bytes(_) => &[],
        }
    }

    /// The text of a part of a multipart body.
    pub fn part_text(&self, name: &str) -> Option<&str> {
        self.parts().iter().filter(|part| part.name == name).find_map(|part| match &part.value {
            PartValue::Text(text) => Some(text.as_str()),
            PartValue::Upload(_) => None,
        })
    }

    /// The first file of a multipart body, of that name if one is given.
    pub fn part_upload(&self, name: Option<&str>) -> Option<&Upload> {
        self.parts().iter().filter(|part| name.is_none_or(|name| part.name == name)).find_map(|part| {
            match &part.value {
                PartValue::Upload(upload) => Some(upload),
                PartValue::Text(_) => None,
            }
        })
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
        matches!(self.caller, Caller::Known(_))
    }

    /// A request for unit tests: of the first route and somebody known, with a JSON body if one is given.
    pub fn for_tests(path: &str, body: Option<&serde_json::Value>) -> Self {
        let who = Identity {
            tenant: "ten_1".into(),
            user: None,
            number: None,
            device: None,
            scopes: vec!["devices:read".into(), "devices:write".into()],
        };
        Self {
            route: 0,
            params: Vec::new(),
            path: path.into(),
            query: Vec::new(),
            headers: Vec::new(),
            content: Content::Bytes(body.map(|b| b.to_string().into_bytes()).unwrap_or_default()),
            caller: Caller::Known(who),
        }
    }
}

impl Response {
    /// An answer of that type.
    pub fn new(status: u16, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type".to_owned(), media_type.to_owned())];
        Self { status, headers, body: Body::Bytes(body.into()) }
    }

    /// A JSON answer. A value that can't be written becomes an empty 500.
    pub fn json(status: u16, body: &(impl Serialize + ?Sized)) -> Self {
        match serde_json::to_vec(body) {
            Ok(body) => Self::new(status, "application/json", body),
            Err(_) => Self { status: 500, headers: Vec::new(), body: Body::Bytes(Vec::new()) },
        }
    }

    /// What the REST core answers at `path`, streamed by the host.
    pub fn of(path: impl Into<String>) -> Self {
        Self { status: 200, headers: Vec::new(), body: Body::Of(path.into()) }
    }
}
