//! The media host over https, for clients that can't be told to use plain http: a certificate made at the start and
//! signed by itself. It proves nothing; clients have to skip the check or trust it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::server::TlsStream;

use crate::Error;
use crate::network::Network;

/// How long a client may take to agree on keys.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that wait to be served.
const BACKLOG: usize = 64;

/// Hands out connections whose keys are agreed, so that a slow client holds nobody up.
pub(crate) struct TlsListener {
    address: SocketAddr,
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
}

impl TlsListener {
    /// Serves these names with a fresh certificate.
    pub(crate) fn new(
        network: &Arc<Network>,
        listener: TcpListener,
        address: SocketAddr,
        names: Vec<String>,
    ) -> Result<Self, Error> {
        let acceptor = acceptor(names).map_err(|why| Error::Certificate { why })?;
        let (hand_over, ready) = mpsc::channel(BACKLOG);
        let tasks = network.tasks.clone();
        let stop = network.stop.clone();
        network.tasks.spawn(async move {
            loop {
                let accepted = tokio::select! {
                    () = stop.cancelled() => return,
                    accepted = listener.accept() => accepted,
                };
                // The system is out of sockets for a moment; the client tries again.
                let Ok((stream, peer)) = accepted else { continue };
                let (acceptor, hand_over) = (acceptor.clone(), hand_over.clone());
                tasks.spawn(async move {
                    if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
                        // Nobody takes it once the sandbox stops.
                        let _ = hand_over.send((stream, peer)).await;
                    }
                });
            }
        });
        Ok(Self { address, ready })
    }
}

fn acceptor(names: Vec<String>) -> Result<TlsAcceptor, String> {
    let signed = rcgen::generate_simple_self_signed(names).map_err(|error| error.to_string())?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![signed.cert.der().clone()], key))
        .map_err(|error| error.to_string())?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(ready) => ready,
            // The accepting task is gone, so the sandbox is stopping.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(self.address)
    }
}
