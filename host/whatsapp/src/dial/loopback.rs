//! Connections of a sandbox build: to loopback only, whatever the configuration or a server's answer says.
//!
//! This build accepts any server as WhatsApp, so it must not be able to dial anything else. Hosts must be written as
//! loopback addresses, not names, so that no resolver decides. Redirects and proxies are off: either could send a checked
//! request elsewhere.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use portico_core::error::{Error, Result};
use url::{Host, Url};
use whatsapp_rust::anyhow::{self, anyhow};
use whatsapp_rust::async_channel;
use whatsapp_rust::http::UreqHttpClient;
use whatsapp_rust::transport::{Connector, Transport, TransportEvent, TransportFactory};
use whatsapp_rust::wacore::net::{HttpClient, HttpRequest, HttpResponse, StreamingHttpResponse, UploadBody};
use whatsapp_rust::wacore::stats::HttpResourceReport;

use super::Transports;
use crate::config::{Network, SANDBOX_MEDIA_HOST};

/// Long enough for any file on loopback.
const HTTP_TIMEOUT: Duration = Duration::from_secs(120);

/// The connections of the sandbox network. `Invalid` for every other network and for addresses that are not loopback.
pub(super) fn transports(network: &Network) -> Result<Transports> {
    let Network::Sandbox { ws_url, media_base } = network else {
        let why = "this binary is built for the sandbox and accepts any server as WhatsApp, so it must not dial WhatsApp; \
                   use a binary built without the feature `sandbox`";
        return Err(Error::invalid("whatsapp.network", why));
    };
    let socket = loopback_url(ws_url, "ws").map_err(|why| Error::invalid("whatsapp.sandbox.ws_url", why))?;
    let media = loopback_url(media_base, "http").map_err(|why| Error::invalid("whatsapp.sandbox.media_base", why))?;
    let agent: ureq::Agent =
        ureq::Agent::config_builder().max_redirects(0).proxy(None).timeout_global(Some(HTTP_TIMEOUT)).build().into();
    Ok(Transports {
        sockets: Arc::new(LoopbackSockets { url: socket }),
        http: LoopbackHttp { agent: UreqHttpClient::with_agent(agent), media },
    })
}

/// `text` as a URL whose host is a loopback address, or what is wrong with it. `localhost` becomes 127.0.0.1 at once.
fn loopback_url(text: &str, scheme: &str) -> Result<Url, String> {
    let mut url = Url::parse(text).map_err(|e| format!("is not a URL: {e}"))?;
    if url.scheme() != scheme {
        return Err(format!("must start with {scheme}://, for the sandbox network is on this machine"));
    }
    if matches!(url.host(), Some(Host::Domain(name)) if name.eq_ignore_ascii_case("localhost")) {
        let _ = url.set_ip_host(IpAddr::from([127, 0, 0, 1]));
    }
    let loopback = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(_)) | None => false,
    };
    if !loopback {
        return Err("must name a loopback address such as 127.0.0.1; a sandbox binary dials nothing else".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not carry credentials".to_owned());
    }
    Ok(url)
}

/// WebSockets to the sandbox network.
struct LoopbackSockets {
    url: Url,
}

#[async_trait]
impl TransportFactory for LoopbackSockets {
    async fn create_transport(&self) -> anyhow::Result<(Arc<dyn Transport>, async_channel::Receiver<TransportEvent>)> {
        // Checked when it was read; checked again where it is used, so that no later change gets around it.
        let url = loopback_url(self.url.as_str(), "ws").map_err(|why| anyhow!("the sandbox address {why}"))?;
        super::socket::dial(url.as_str().parse()?, &Connector::Plain).await
    }
}

/// HTTP to the sandbox's media host.
#[derive(Clone)]
pub(crate) struct LoopbackHttp {
    agent: UreqHttpClient,
    media: Url,
}

impl LoopbackHttp {
    /// The request with its URL on loopback: the media host's name replaced, anything else refused.
    fn on_loopback(&self, mut request: HttpRequest) -> anyhow::Result<HttpRequest> {
        let mut url = Url::parse(&request.url)?;
        if url.host_str() == Some(SANDBOX_MEDIA_HOST) {
            let (path, query) = (url.path().to_owned(), url.query().map(str::to_owned));
            url = self.media.clone();
            url.set_path(&format!("{}{path}", self.media.path().trim_end_matches('/')));
            url.set_query(query.as_deref());
        }
        let url = loopback_url(url.as_str(), "http")
            .map_err(|why| anyhow!("the sandbox refuses a request: its URL {why}"))?;
        request.url = url.into();
        Ok(request)
    }
}

#[async_trait]
impl HttpClient for LoopbackHttp {
    async fn execute(&self, request: HttpRequest) -> anyhow::Result<HttpResponse> {
        self.agent.execute(self.on_loopback(request)?).await
    }

    fn supports_streaming(&self) -> bool {
        true
    }

    fn execute_streaming(&self, request: HttpRequest) -> anyhow::Result<StreamingHttpResponse> {
        self.agent.execute_streaming(self.on_loopback(request)?)
    }

    fn supports_upload_streaming(&self) -> bool {
        true
    }

    fn execute_upload(
        &self,
        request: HttpRequest,
        body: UploadBody,
        content_length: u64,
    ) -> anyhow::Result<HttpResponse> {
        self.agent.execute_upload(self.on_loopback(request)?, body, content_length)
    }

    fn resource_report(&self) -> Option<HttpResourceReport> {
        self.agent.resource_report()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(ws_url: &str, media_base: &str) -> Network {
        Network::Sandbox { ws_url: ws_url.to_owned(), media_base: media_base.to_owned() }
    }

    #[test]
    fn only_loopback_addresses_are_accepted() {
        for host in ["127.0.0.1:1", "127.9.9.9", "[::1]:1", "localhost:1"] {
            assert!(transports(&network(&format!("ws://{host}/ws/chat"), &format!("http://{host}"))).is_ok(), "{host}");
        }
        for host in [
            "10.0.0.1",
            "0.0.0.0",
            "example.com",
            "127.0.0.1.example.com",
            "[::ffff:10.0.0.1]",
            "localhost.",
            "a@127.0.0.1",
        ] {
            assert!(transports(&network(&format!("ws://{host}/ws/chat"), "http://127.0.0.1")).is_err(), "{host}");
            assert!(transports(&network("ws://127.0.0.1", &format!("http://{host}"))).is_err(), "{host}");
        }
    }

    #[test]
    fn a_sandbox_build_refuses_whatsapp() {
        assert!(transports(&Network::WhatsApp).is_err());
    }

    #[test]
    fn the_media_host_is_replaced_and_every_other_host_refused() {
        let http = transports(&network("ws://127.0.0.1:1", "http://127.0.0.1:4000")).expect("loopback").http;
        let asked = |url: &str| http.on_loopback(HttpRequest::get(url)).map(|request| request.url);
        assert_eq!(
            asked("https://media.sandbox.invalid/v/t62/x?auth=1").expect("the media host"),
            "http://127.0.0.1:4000/v/t62/x?auth=1"
        );
        assert!(asked("https://web.whatsapp.com/sw.js").is_err());
        assert!(asked("http://media.sandbox.invalid.example.com/").is_err());
    }
}
