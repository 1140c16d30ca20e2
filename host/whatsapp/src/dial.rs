//! The way out to the network: one WebSocket dialler and one HTTP agent, shared by every session of the process.
//!
//! A session gets its own [`Dialler`] around the shared one, for two reasons. It tells the session each time the library
//! dials: the library reports some losses of the connection as events and others not at all; a new dial reports every one.
//! And it stops reading from the socket while the session has no room for more, so that the network waits, not memory.

#[cfg(feature = "sandbox")]
mod loopback;
mod socket;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use portico_core::error::Result;
use whatsapp_rust::anyhow;
use whatsapp_rust::async_channel;
#[cfg(not(feature = "sandbox"))]
use whatsapp_rust::http::UreqHttpClient;
#[cfg(not(feature = "sandbox"))]
use whatsapp_rust::transport::{Connector, default_tls_connector};
use whatsapp_rust::transport::{Transport, TransportEvent, TransportFactory};

#[cfg(not(feature = "sandbox"))]
use whatsapp_rust::wacore::net::WHATSAPP_WEB_WS_URL;

use crate::config::Network;
use crate::events::{EventSink, Fact};

#[cfg(not(feature = "sandbox"))]
pub(crate) type Http = UreqHttpClient;
#[cfg(feature = "sandbox")]
pub(crate) type Http = loopback::LoopbackHttp;

/// What all sessions dial with.
#[derive(Clone)]
pub(crate) struct Ways {
    /// WebSockets.
    pub(crate) sockets: Arc<dyn TransportFactory>,
    /// Media and the client version. Cloning shares the agent.
    pub(crate) http: Http,
}

impl Ways {
    /// Refuses networks that this build must not dial.
    #[cfg(not(feature = "sandbox"))]
    pub(crate) fn new(network: &Network) -> Result<Self> {
        let Network::WhatsApp = network;
        let sockets = Sockets { connector: default_tls_connector() };
        Ok(Self { sockets: Arc::new(sockets), http: UreqHttpClient::new() })
    }

    /// Refuses networks that this build must not dial.
    #[cfg(feature = "sandbox")]
    pub(crate) fn new(network: &Network) -> Result<Self> {
        loopback::ways(network)
    }
}

/// WebSockets to WhatsApp.
#[cfg(not(feature = "sandbox"))]
struct Sockets {
    /// One TLS configuration for all sessions: it holds the roots, and lets reconnects resume TLS.
    connector: Connector,
}

#[cfg(not(feature = "sandbox"))]
#[async_trait]
impl TransportFactory for Sockets {
    async fn create_transport(&self) -> anyhow::Result<(Arc<dyn Transport>, async_channel::Receiver<TransportEvent>)> {
        socket::dial(http::Uri::from_static(WHATSAPP_WEB_WS_URL), &self.connector).await
    }
}

/// The shared dialler, for one session.
pub(crate) struct Dialler {
    pub(crate) sockets: Arc<dyn TransportFactory>,
    pub(crate) sink: Arc<EventSink>,
    /// Incoming messages are refused; a new connection brings them again, in order.
    pub(crate) refusing: Arc<AtomicBool>,
}

#[async_trait]
impl TransportFactory for Dialler {
    async fn create_transport(&self) -> anyhow::Result<(Arc<dyn Transport>, async_channel::Receiver<TransportEvent>)> {
        self.sink.tell(Fact::Dialling);
        self.refusing.store(false, Ordering::Release);
        let (transport, incoming) = self.sockets.create_transport().await?;
        let (forward, gated) = async_channel::bounded(1);
        tokio::spawn(gate(Arc::clone(&self.sink), incoming, forward));
        Ok((transport, gated))
    }
}

/// Forwards what comes from the socket as long as the session has room. Ends with either side.
async fn gate(
    sink: Arc<EventSink>,
    incoming: async_channel::Receiver<TransportEvent>,
    forward: async_channel::Sender<TransportEvent>,
) {
    while let Ok(event) = incoming.recv().await {
        sink.room().await;
        if forward.send(event).await.is_err() {
            return;
        }
    }
}
