//! The client: checks a URL, sends a request, reads the beginning of the answer.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use portico_core::header;
use portico_core::ports::outbound::{Fetched, OutboundError, OutboundRequest, OutboundResponse};
use portico_core::ports::{Clock, Outbound};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use url::{Host, Url};

use crate::address::Guard;
use crate::config::NetConfig;
use crate::dns::{GuardedDns, Lookup, SystemLookup};
use crate::{failure, fetch, retry_after};

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[error("the outbound HTTP client can't be built; check the section `outbound` of the configuration")]
pub struct BuildError(#[from] reqwest::Error);

/// The one outbound HTTP client. Cheap to share; keeps connections for the next request.
pub struct Client {
    pub(crate) http: reqwest::Client,
    clock: Arc<dyn Clock>,
    guard: Arc<Guard>,
    pub(crate) connect_timeout: Duration,
    response_bytes_max: usize,
}

impl Client {
    /// A client that resolves names as the operating system does. The clock tells how far away a date in `Retry-After` is.
    ///
    /// # Errors
    /// [`BuildError`] when a value of the configuration can't be used, such as a `user_agent` with line breaks.
    pub fn new(config: NetConfig, clock: Arc<dyn Clock>) -> Result<Self, BuildError> {
        Self::with_lookup(config, clock, Arc::new(SystemLookup))
    }

    pub(crate) fn with_lookup(
        config: NetConfig,
        clock: Arc<dyn Clock>,
        lookup: Arc<dyn Lookup>,
    ) -> Result<Self, BuildError> {
        // An error means that the process has a cryptography provider already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        if config.allow_loopback {
            tracing::warn!("outbound requests may go to this machine, as the sandbox mode needs it; only for trials");
        }
        let guard = Arc::new(Guard::new(&config));
        let dns = Arc::new(GuardedDns { guard: guard.clone(), lookup });
        let http = match builder(&config, dns.clone()).build() {
            Ok(http) => http,
            Err(error) => {
                // The usual reason is a system without root certificates. Plain HTTP works without them.
                let http = builder(&config, dns).tls_certs_only([]).build()?;
                let error: &dyn std::error::Error = &error;
                tracing::warn!(
                    error,
                    "no root certificates: https receivers can't be reached; install `ca-certificates`"
                );
                http
            }
        };
        let NetConfig { connect_timeout, response_bytes_max, .. } = config;
        Ok(Self { http, clock, guard, connect_timeout, response_bytes_max })
    }

    pub(crate) fn parse(&self, text: &str) -> Result<Url, OutboundError> {
        let invalid = |why: &str| OutboundError::Invalid(why.to_owned());
        let url = Url::parse(text).map_err(|e| {
            OutboundError::Invalid(format!("the URL can't be read ({e}); write it like https://example.com/hook"))
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid("the URL must start with http:// or https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("the URL must not carry a user name or password; send credentials in a header"));
        }
        if url.port() == Some(0) {
            return Err(invalid("port 0 can't be connected to"));
        }
        let permitted = match url.host() {
            None => return Err(invalid("the URL has no host")),
            Some(Host::Ipv4(ip)) => self.guard.permits(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => self.guard.permits(IpAddr::V6(ip)),
            // Reserved for loopback (RFC 6761), whatever a resolver says. Other names are checked when connecting.
            Some(Host::Domain(name)) if is_localhost(name) => {
                self.guard.permits(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST))
            }
            Some(Host::Domain(_)) => true,
        };
        if permitted {
            Ok(url)
        } else {
            Err(OutboundError::DeniedAddress(url.host_str().unwrap_or_default().to_owned()))
        }
    }

    async fn exchange(&self, url: Url, request: OutboundRequest) -> Result<OutboundResponse, OutboundError> {
        let method = reqwest::Method::from_bytes(request.method.as_bytes())
            .map_err(|_| OutboundError::Invalid("the method is not one".to_owned()))?;
        let headers = headers(request.headers)?;
        let sent = self.http.request(method, url).headers(headers).body(request.body).send().await;
        let mut response = sent.map_err(|e| failure::of_request(&e, self.connect_timeout))?;
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok());
        let retry_after = retry_after.and_then(|text| retry_after::parse(text, self.clock.now()));
        let status = response.status().as_u16();
        let mut body = Vec::new();
        // The status counts even if the body breaks off. A connection is used again only after its body was read to the end.
        while let Ok(Some(chunk)) = response.chunk().await {
            let room = self.response_bytes_max - body.len();
            body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
            if chunk.len() > room {
                break;
            }
        }
        Ok(OutboundResponse { status, retry_after, body })
    }
}

#[async_trait]
impl Outbound for Client {
    fn check_url(&self, url: &str) -> Result<(), OutboundError> {
        self.parse(url).map(drop)
    }

    async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundError> {
        // Literal addresses are checked here, because they never reach the resolver; names are checked when connecting.
        let url = self.parse(&request.url)?;
        let timeout = request.timeout;
        let exchange = tokio::time::timeout(timeout, self.exchange(url, request));
        exchange.await.unwrap_or(Err(OutboundError::Timeout(timeout)))
    }

    async fn fetch(&self, url: &str, timeout: Duration) -> Result<Fetched, OutboundError> {
        fetch::fetch(self, url, timeout).await
    }
}

fn builder(config: &NetConfig, dns: Arc<GuardedDns>) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(&config.user_agent)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .connect_timeout(config.connect_timeout)
        .pool_max_idle_per_host(config.idle_per_host_max)
        .pool_idle_timeout(config.idle_timeout)
        .dns_resolver(dns)
}

fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}

fn headers(list: Vec<(String, String)>) -> Result<HeaderMap, OutboundError> {
    let mut headers = HeaderMap::with_capacity(list.len());
    for (name, value) in list {
        let invalid = || OutboundError::Invalid(format!("the header `{name}` can't be sent"));
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?;
        if header::is_of_connection(key.as_str()) {
            return Err(invalid());
        }
        headers.append(key, HeaderValue::from_str(&value).map_err(|_| invalid())?);
    }
    Ok(headers)
}
