//! One WebSocket to WhatsApp's servers, or to what stands in for them.
//!
//! The library's own dialler leaves Nagle's algorithm on (RFC 896). A session writes small frames close together, and each
//! then waits for the acknowledgement of the one before, which the other side delays by up to 40 ms (RFC 1122, 4.2.3.2). So
//! the connection is made here, and handed to the library.

use std::sync::Arc;

use http::{HeaderValue, Uri, header};
use tokio::net::TcpStream;
use tokio_websockets::ClientBuilder;
use whatsapp_rust::anyhow::{self, Context};
use whatsapp_rust::async_channel::Receiver;
use whatsapp_rust::transport::{Connector, Transport, TransportEvent, from_websocket};
use whatsapp_rust::wacore::net::WHATSAPP_WEB_ORIGIN;

/// Dials and upgrades. Every address of the host's name is tried.
pub(super) async fn dial(
    uri: Uri,
    connector: &Connector,
) -> anyhow::Result<(Arc<dyn Transport>, Receiver<TransportEvent>)> {
    let host = uri.host().context("the address has no host")?.trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("ws") { 80 } else { 443 });
    let stream = TcpStream::connect((host.as_str(), port)).await.context("connecting failed")?;
    stream.set_nodelay(true)?;
    let stream = connector.wrap(&host, stream).await.context("TLS failed")?;
    let origin = HeaderValue::from_static(WHATSAPP_WEB_ORIGIN);
    let upgrade = ClientBuilder::from_uri(uri).add_header(header::ORIGIN, origin)?;
    let (socket, _) = upgrade.connect_on(stream).await.context("the WebSocket was refused")?;
    Ok(from_websocket(socket))
}
