//! A client of a gateway's own REST API, for commands that ask a running one.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use url::Url;

use crate::client::BuildError;

/// How long a gateway may take to answer. Installing a plugin compiles it meanwhile.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Why a gateway gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The address can't be used.
    #[error("`{0}` is not the address of a gateway; write it like http://127.0.0.1:3000")]
    Address(String),
    /// The key can't be sent.
    #[error("the key holds characters that a key can't have")]
    Key,
    /// The client can't be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Nothing came back.
    #[error("no gateway answers at {url}; is it running there?")]
    Unreachable {
        /// Where.
        url: Url,
        /// What happened.
        source: reqwest::Error,
    },
}

/// Speaks to one gateway with one key.
pub struct ApiClient {
    http: reqwest::Client,
    base: Url,
    key: HeaderValue,
}

/// What a gateway answered.
#[derive(Debug)]
pub struct ApiAnswer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl ApiClient {
    /// A client of the gateway at `base`. Unlike webhooks it may go anywhere: the operator names the address.
    ///
    /// # Errors
    /// When address or key can't be used, or there is no client.
    pub fn new(base: &str, key: &str) -> Result<Self, ApiError> {
        // An error means that the process has a cryptography provider already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let parsed = Url::parse(base).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let base = parsed.ok_or_else(|| ApiError::Address(base.to_owned()))?;
        let mut key = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| ApiError::Key)?;
        key.set_sensitive(true);
        let builder = || reqwest::Client::builder().timeout(TIMEOUT).no_proxy();
        // Without root certificates plain HTTP works all the same.
        let http = builder().build().or_else(|_| builder().tls_certs_only([]).build()).map_err(BuildError::from)?;
        Ok(Self { http, base, key })
    }

    /// Makes a request; `path` is an absolute path, `body` comes with its content type.
    ///
    /// # Errors
    /// When nothing came back.
    pub async fn call(&self, method: &str, path: &str, body: Option<(&str, Vec<u8>)>) -> Result<ApiAnswer, ApiError> {
        let url = self.base.join(path).map_err(|_| ApiError::Address(path.to_owned()))?;
        let failed = |source| ApiError::Unreachable { url: self.base.clone(), source };
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap_or(reqwest::Method::GET);
        let mut request = self.http.request(method, url).header("authorization", self.key.clone());
        if let Some((kind, bytes)) = body {
            request = request.header(CONTENT_TYPE, kind).body(bytes);
        }
        let answer = request.send().await.map_err(failed)?;
        let status = answer.status().as_u16();
        Ok(ApiAnswer { status, body: answer.bytes().await.map_err(failed)?.to_vec() })
    }
}
