use std::time::Instant;

use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

use super::*;

async fn start(
    router: Router,
    limits: ServeLimits,
) -> (SocketAddr, oneshot::Sender<()>, tokio::task::JoinHandle<io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let shutdown = async move {
        let _ = stopped.await;
    };
    (address, stop, tokio::spawn(serve(listener, router, limits, shutdown)))
}

/// Opens a connection, sends a request on it and gives the start of the answer; empty when the connection was closed.
async fn request_on(address: SocketAddr) -> (TcpStream, String) {
    let mut client = TcpStream::connect(address).await.unwrap();
    // A connection that is closed already may tell so here or when read.
    let _ = client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut start = [0; 12];
    let got = client.read_exact(&mut start).await.map(|_| String::from_utf8_lossy(&start).into_owned());
    (client, got.unwrap_or_default())
}

async fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn a_request_under_way_is_finished_after_the_stop() {
    let (begun, mut began) = tokio::sync::mpsc::channel::<()>(1);
    let (go, gate) = watch::channel(false);
    let slow = get(move || {
        let (begun, mut gate) = (begun.clone(), gate.clone());
        async move {
            let _ = begun.send(()).await;
            let _ = gate.wait_for(|open| *open).await;
            "done"
        }
    });
    let (address, stop, server) = start(Router::new().route("/", slow), ServeLimits::default()).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    began.recv().await.unwrap();
    stop.send(()).unwrap();
    go.send_replace(true);
    assert!(read_all(&mut client).await.ends_with("done"));
    server.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "the listener is closed");
}

#[tokio::test]
async fn the_grace_ends_what_does_not_finish() {
    let limits = ServeLimits { grace: Duration::from_millis(50), ..ServeLimits::default() };
    let never = get(async || std::future::pending::<&str>().await);
    let (address, stop, server) = start(Router::new().route("/", never), limits).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let before = Instant::now();
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
    assert!(before.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_client_that_sends_no_head_is_shown_out() {
    let limits = ServeLimits { head_timeout: Duration::from_millis(50), ..ServeLimits::default() };
    let (address, _stop, _server) = start(Router::new(), limits).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost:").await.unwrap();
    read_all(&mut client).await;
}

#[tokio::test]
async fn a_peer_gets_only_so_many_connections() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // In place of the rule that does not count this machine.
    let peers = PeerQuota::new(2, Some);
    let router = Router::new().route("/", get(async || "here"));
    let server = serve_peers(listener, router, ServeLimits::default(), peers, std::future::pending());
    let server = tokio::spawn(server);
    let (first, second) = (request_on(address).await, request_on(address).await);
    assert_eq!((first.1.as_str(), second.1.as_str()), ("HTTP/1.1 200", "HTTP/1.1 200"));
    assert_eq!(request_on(address).await.1, "", "closed right away");
    drop(first);
    // Until the listener has seen it go.
    while request_on(address).await.1.is_empty() {}
    server.abort();
}
