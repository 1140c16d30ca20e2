//! The one way out over HTTP. Addresses are checked when the connection is made, and redirects of requests are never followed.

use std::time::Duration;

use async_trait::async_trait;

use super::blobs::ByteSource;

/// A request to somebody else's server.
#[derive(Clone, Debug)]
pub struct OutboundRequest {
    /// `POST`, `PUT`, …
    pub method: String,
    /// Absolute, `http` or `https`.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// For the whole exchange.
    pub timeout: Duration,
}

/// What came back, cut at the client's limit.
#[derive(Clone, Debug)]
pub struct OutboundResponse {
    /// The status.
    pub status: u16,
    /// `Retry-After`, where it was given in seconds or as a date.
    pub retry_after: Option<Duration>,
    /// The first bytes of the body.
    pub body: Vec<u8>,
}

/// A file that is being fetched: the server said yes, and its bytes come.
pub struct Fetched {
    /// The type the server says it has.
    pub media_type: Option<String>,
    /// The name the server gives it, or the last part of the URL's path.
    pub file_name: Option<String>,
    /// Its bytes.
    pub source: Box<dyn ByteSource>,
}

/// Why there was no answer. The texts are safe to show to the owner of the URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// The URL, method or a header can't be used.
    #[error("the request can't be made: {0}")]
    Invalid(String),
    /// The address is one the gateway must not talk to.
    #[error("the address {0} is private or reserved; allow it under `outbound.allow` if that is meant")]
    DeniedAddress(String),
    /// The name does not resolve.
    #[error("the host name can't be resolved")]
    Dns,
    /// No connection.
    #[error("no connection: {0}")]
    Connect(String),
    /// No answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The server answered a fetch with another status than 200.
    #[error("the server answered with status {0}")]
    Status(u16),
    /// A fetch was sent on too often, or to nowhere.
    #[error("the server redirects too often, or without saying where to")]
    Redirects,
    /// Something else.
    #[error("{0}")]
    Other(String),
}

/// The one outbound HTTP client.
#[async_trait]
pub trait Outbound: Send + Sync {
    /// Checks a URL as far as that is possible without connecting: scheme, host, literal addresses.
    fn check_url(&self, url: &str) -> Result<(), OutboundError>;

    /// Sends a request.
    async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundError>;

    /// Fetches a file. A few redirects are followed, each to an address that is checked like the first. `timeout` is for the
    /// whole file; a source that does not come in time fails.
    async fn fetch(&self, url: &str, timeout: Duration) -> Result<Fetched, OutboundError>;
}
