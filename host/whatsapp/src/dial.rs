//! Connections to the network: one WebSocket dialer and one HTTP agent, shared by every session of the process.
//!
//! A session wraps the shared dialer in a [`SessionDialer`] of its own, for two reasons. It reports each dial to the session:
//! the library reports some losses of the connection as events and others not at all, but after every loss it dials. And it
//! stops reading from the socket while the session's event queue is nearly full, so that data waits in the network instead of
//! in memory.

#[cfg(feature = "sandbox")]
mod loopback;
mod socket;

use std::sync::Arc;

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
use crate::events::{EventSink, SessionEvent};

#[cfg(not(feature = "sandbox"))]
pub(crate) type Http = UreqHttpClient;
#[cfg(feature = "sandbox")]
pub(crate) type Http = loopback::LoopbackHttp;

/// What all sessions connect with.
#[derive(Clone)]
pub(crate) struct Transports {
    /// WebSockets.
    pub(crate) sockets: Arc<dyn TransportFactory>,
    /// Media and the client version. Cloning shares the agent.
    pub(crate) http: Http,
}

impl Transports {
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
        loopback::transports(network)
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

/// The shared dialer, for one session.
pub(crate) struct SessionDialer {
    pub(crate) sockets: Arc<dyn TransportFactory>,
    pub(crate) sink: Arc<EventSink>,
}

#[async_trait]
impl TransportFactory for SessionDialer {
    async fn create_transport(&self) -> anyhow::Result<(Arc<dyn Transport>, async_channel::Receiver<TransportEvent>)> {
        self.sink.push(SessionEvent::Dialing);
        let (transport, incoming) = self.sockets.create_transport().await?;
        let (forward, bounded) = async_channel::bounded(1);
        tokio::spawn(forward_with_backpressure(Arc::clone(&self.sink), incoming, forward));
        Ok((transport, bounded))
    }
}

/// Forwards what comes from the socket while the session's event queue has capacity. Ends with either side.
async fn forward_with_backpressure(
    sink: Arc<EventSink>,
    incoming: async_channel::Receiver<TransportEvent>,
    forward: async_channel::Sender<TransportEvent>,
) {
    while let Ok(event) = incoming.recv().await {
        sink.wait_for_capacity().await;
        if forward.send(event).await.is_err() {
            return;
        }
    }
}
