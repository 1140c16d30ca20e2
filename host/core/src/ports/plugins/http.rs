//! What the hook `http-handler` is told and answers: routes as data, requests, answers, refusals.

use std::net::IpAddr;
use std::time::Duration;

use crate::model::access::Caller;

/// Where a plugin serves requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Always served at `/d/<name>`.
    pub name: String,
    /// Paths at the root, as prefixes such as `/api/instance`, that the plugin answers with its own 404 where it has no route.
    pub root: Vec<String>,
    /// The limits that its routes name.
    pub limits: Vec<Limit>,
}

/// How many requests may come in a span of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What routes call it.
    pub name: String,
    /// Requests in one window.
    pub count: u32,
    /// How long a window lasts.
    pub window: Duration,
    /// What is counted together.
    pub by: LimitBy,
    /// How the answer tells what is left.
    pub headers: LimitHeaders,
}

/// What a limit counts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitBy {
    /// Requests from one address.
    Address,
    /// Requests with one key.
    Key,
    /// Requests about one device, which the route's first parameter or the key names.
    Device,
}

/// The headers that tell what is left of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitHeaders {
    /// `RateLimit-Limit`, `-Remaining`, `-Reset` in seconds from now.
    RateLimit,
    /// `X-RateLimit-Limit`, `-Remaining`, `-Reset` in seconds since 1970.
    XRateLimit,
    /// None.
    None,
}

/// One endpoint of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// `GET`, …
    pub method: String,
    /// Starts with `/`; segments in braces are parameters.
    pub path: String,
    /// Sets of headers, in lower case, of which a request needs all of one. Without any set the route is public and nobody's
    /// credentials are looked at; with an empty set it is public and they are.
    pub auth: Vec<Vec<String>>,
    /// Names of limits a request counts towards.
    pub limits: Vec<String>,
    /// Bytes of the body at most; `None`: as many as the host allows.
    pub body_bytes_max: Option<usize>,
    /// Members of a JSON body that hold base64 and come in as uploads.
    pub uploads: Vec<String>,
    /// Whether a multipart body is taken.
    pub multipart: bool,
    /// Whether the answer is a page for people.
    pub page: bool,
}

impl Route {
    /// Whether it serves requests without credentials.
    pub fn is_public(&self) -> bool {
        self.auth.is_empty() || self.auth.iter().any(Vec::is_empty)
    }
}

/// An HTTP request as plugins see it.
#[derive(Clone, Debug)]
pub struct PluginRequest {
    /// The place of the route among the plugin's routes.
    pub route: usize,
    /// The path's parameters, decoded, in the order of the path.
    pub params: Vec<String>,
    /// Below the mount, starting with `/`.
    pub path: String,
    /// Decoded pairs, in order.
    pub query: Vec<(String, String)>,
    /// Names in lower case; without credentials.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub content: RequestContent,
    /// Who asks; `None` for a request without (good) credentials.
    pub caller: Option<Caller>,
    /// Where it came from. Plugins are not told.
    pub peer: Option<IpAddr>,
}

/// The body of a request.
#[derive(Clone, Debug)]
pub enum RequestContent {
    /// As it came, with what the route names lifted out of it.
    Bytes(Vec<u8>),
    /// The parts of a multipart body, in order.
    Parts(Vec<RequestPart>),
}

/// One part of a multipart body.
#[derive(Clone, Debug)]
pub struct RequestPart {
    /// The field's name.
    pub name: String,
    /// What it holds.
    pub value: PartValue,
}

/// What a part holds.
#[derive(Clone, Debug)]
pub enum PartValue {
    /// Text.
    Text(String),
    /// A file, which the host keeps.
    Upload(Upload),
}

/// Bytes that the host keeps for a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The media's id.
    pub id: String,
    /// How many bytes.
    pub bytes: u64,
    /// Its type.
    pub media_type: String,
    /// The name it came with.
    pub file_name: Option<String>,
}

/// What a plugin does with a request.
#[derive(Clone, Debug)]
pub enum Handled {
    /// It answers.
    Answer(Answer),
    /// The next plugin that claims the path is to be asked.
    Pass,
}

/// A plugin's answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: AnswerBody,
}

/// The body of a plugin's answer.
#[derive(Clone, Debug)]
pub enum AnswerBody {
    /// These bytes.
    Bytes(Vec<u8>),
    /// What the REST core answers at this path, streamed by the host.
    Of(String),
}

/// Why the host itself refuses a request for a plugin's route.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The stable code, in snake_case.
    pub code: String,
    /// For people.
    pub detail: String,
    /// The request's method.
    pub method: String,
    /// The request's path.
    pub path: String,
    /// The place of the route, if one was found.
    pub route: Option<usize>,
    /// Headers with credentials that were missing.
    pub missing: Vec<String>,
    /// When it may be tried again.
    pub retry_after: Option<Duration>,
}

/// An answer of the REST core.
#[derive(Clone, Debug)]
pub struct PluginResponse {
    /// The status.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// A request of the REST core.
#[derive(Clone, Debug)]
pub struct RestRequest {
    /// `GET`, …
    pub method: String,
    /// Starting with `/v1/`, with query.
    pub path: String,
    /// Names and values; credentials are ignored.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Where the request came from that it is part of: attempts to log in are counted by it.
    pub peer: Option<IpAddr>,
}
