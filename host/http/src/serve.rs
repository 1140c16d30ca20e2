//! The listener: bounded connections, in total and for each peer, bounded headers, and a stop that lets requests under way
//! finish.

mod peer_quota;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use portico_core::setting::Seconds;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt;

use self::peer_quota::PeerQuota;
use crate::peer::Peer;

/// Bytes of a request's head at most.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Headers of a request at most.
const HEADERS_MAX: usize = 100;
/// How long to wait when the system has no more file handles to accept with.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a client may read nothing of what is written to it before the connection is closed. Without this limit an
/// answer that nobody reads would stay in memory for ever.
const WRITE_STALL: Duration = Duration::from_secs(60);

/// Limits of a listener, settings of section `[server]`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ServeLimits {
    /// Connections open at once; further ones wait in the system's queue.
    #[schemars(range(min = 1))]
    pub connections_max: usize,
    /// Connections open at once from one address (IPv6: one /64 network); further ones are closed right away. Those from
    /// this machine itself are not counted: there a reverse proxy brings everybody's. Raise it for a reverse proxy on
    /// another machine.
    #[schemars(range(min = 1))]
    pub connections_per_peer: u32,
    /// How long a client may take for a request's head; an idle connection is closed after as long; in seconds.
    #[serde(rename = "head_timeout_s", with = "Seconds")]
    #[schemars(range(min = 1, max = 600))]
    pub head_timeout: Duration,
    /// How long requests under way may take once the gateway stops, in seconds; then they are cut off.
    #[serde(rename = "shutdown_grace_s", with = "Seconds")]
    #[schemars(range(max = 300))]
    pub grace: Duration,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            connections_per_peer: 1_000,
            head_timeout: Duration::from_secs(60),
            grace: Duration::from_secs(10),
        }
    }
}

/// Serves `router` until `shutdown` is done, then lets requests under way finish within the grace.
///
/// Open event streams end by themselves when [`crate::Live::stopping`] becomes `true`; set it before or together with
/// `shutdown`. The result is an error only when the listener has no address.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ServeLimits,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let peers = PeerQuota::new(limits.connections_per_peer, peer_quota::counted);
    serve_peers(listener, router, limits, peers, shutdown).await
}

async fn serve_peers(
    listener: TcpListener,
    router: Router,
    limits: ServeLimits,
    mut peers: PeerQuota,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    tracing::info!(address = %address, "listening");
    let permits = Arc::new(Semaphore::new(limits.connections_max.clamp(1, Semaphore::MAX_PERMITS)));
    let (stop, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &permits) => accepted,
        };
        let Some((stream, peer, permit)) = accepted else { continue };
        // Dropping a connection closes it.
        let Ok(of_peer) = peers.acquire(peer.ip()) else { continue };
        let (router, stopping) = (router.clone(), stopping.clone());
        connections.spawn(async move {
            connection(stream, peer, router, limits.head_timeout, stopping).await;
            drop((permit, of_peer));
        });
    }
    drop(listener);
    stop.send_replace(true);
    let finished = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.grace, finished).await.is_err() {
        tracing::warn!(address = %address, grace_ms = limits.grace.as_millis() as u64, "requests were cut off at the end of the grace");
    }
    connections.shutdown().await;
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Without it, small answers wait for the client's acknowledgements. A failure to set it only costs time.
            let _ = stream.set_nodelay(true);
            Some((stream, peer, permit))
        }
        Err(error) => {
            let is_ours = !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset);
            if is_ours {
                tracing::warn!(%error, "a connection can't be accepted; raise the limit of open files if that is it");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            None
        }
    }
}

/// Serves one connection; once `stopping`, it ends after the request it is at.
async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    head_timeout: Duration,
    mut stopping: watch::Receiver<bool>,
) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer.ip()));
        router.clone().oneshot(request.map(Body::new))
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_header_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_STALL));
    let mut connection = pin!(builder.serve_connection(TokioIo::new(Box::pin(stream)), service).with_upgrades());
    tokio::select! {
        // Clients disconnect all the time; that is not worth a line in the log.
        _ = connection.as_mut() => return,
        _ = stopping.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

#[cfg(test)]
mod tests;
