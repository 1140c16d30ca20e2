//! The client against real servers on loopback.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use portico_core::ports::outbound::{OutboundError, OutboundRequest};
use portico_core::ports::{Clock, Outbound};
use portico_core::time::UtcMs;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::dns::Lookup;
use crate::{Client, NetConfig};

/// A clock that stands at 2026-01-01T00:00:00Z.
#[derive(Debug)]
struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> UtcMs {
        UtcMs(1_767_225_600_000)
    }
}

/// Answers every request with the same bytes, or never with `None`; counts requests and keeps the last one.
struct Server {
    port: u16,
    requests: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    last: Arc<Mutex<String>>,
}

impl Server {
    async fn start(answer: Option<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let server = Self { port, requests: Arc::default(), connections: Arc::default(), last: Arc::default() };
        let (requests, connections, last) = (server.requests.clone(), server.connections.clone(), server.last.clone());
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (answer, requests, last) = (answer.clone(), requests.clone(), last.clone());
                tokio::spawn(async move {
                    let mut buffer = [0; 4096];
                    // Requests of these tests fit one read.
                    while let Ok(count @ 1..) = socket.read(&mut buffer).await {
                        *last.lock().expect("no panic") = String::from_utf8_lossy(&buffer[..count]).into_owned();
                        requests.fetch_add(1, Ordering::SeqCst);
                        let Some(answer) = &answer else { continue };
                        if socket.write_all(answer).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        server
    }

    async fn answering(text: &str) -> Self {
        Self::start(Some(text.as_bytes().to_vec())).await
    }
}

/// Names that resolve to what a test says.
struct Names(HashMap<&'static str, Vec<IpAddr>>);

#[async_trait]
impl Lookup for Names {
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.0.get(host).cloned().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
}

fn client(allow_loopback: bool, names: &[(&'static str, &[&str])]) -> Client {
    let parse = |ips: &&[&str]| ips.iter().map(|ip| ip.parse().expect("an address")).collect();
    let names = names.iter().map(|(name, ips)| (*name, parse(ips))).collect();
    let config = NetConfig { allow_loopback, ..NetConfig::default() };
    Client::with_lookup(config, Arc::new(Fixed), Arc::new(Names(names))).expect("a client")
}

fn post(url: String) -> OutboundRequest {
    let headers = vec![("x-test".to_owned(), "1".to_owned())];
    OutboundRequest { method: "POST".into(), url, headers, body: b"{}".to_vec(), timeout: Duration::from_secs(10) }
}

#[tokio::test]
async fn a_request_arrives_and_its_connection_is_used_again() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nretry-after: 7\r\n\r\nok").await;
    let client = client(true, &[("hook.example", &["127.0.0.1"])]);
    for _ in 0..3 {
        let answer = client.send(post(format!("http://hook.example:{}/in", server.port))).await.expect("an answer");
        assert_eq!((answer.status, answer.body.as_slice()), (200, b"ok".as_slice()));
        assert_eq!(answer.retry_after, Some(Duration::from_secs(7)));
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
    let request = server.last.lock().expect("no panic").to_ascii_lowercase();
    assert!(request.starts_with("post /in http/1.1\r\n"), "{request}");
    for header in ["x-test: 1\r\n", concat!("user-agent: portico/", env!("CARGO_PKG_VERSION"), "\r\n")] {
        assert!(request.contains(header), "{request}");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let target = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let location = format!("location: http://127.0.0.1:{}/\r\n", target.port);
    let server = Server::answering(&format!("HTTP/1.1 302 Found\r\n{location}content-length: 0\r\n\r\n")).await;
    let answer = client(true, &[]).send(post(format!("http://127.0.0.1:{}/", server.port))).await.expect("an answer");
    assert_eq!(answer.status, 302);
    assert_eq!(target.requests.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_public_name_at_a_private_address_gets_no_connection() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let client = client(false, &[("rebind.example", &["127.0.0.1", "::1"])]);
    let url = format!("http://rebind.example:{}/", server.port);
    assert_eq!(client.check_url(&url), Ok(()), "a name is judged when it is resolved");
    let refused = client.send(post(url)).await.expect_err("refused");
    assert_eq!(refused, OutboundError::DeniedAddress("rebind.example".into()));
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn of_several_addresses_only_permitted_ones_are_tried() {
    let server = Server::answering("HTTP/1.1 204 No Content\r\n\r\n").await;
    let client = client(true, &[("mixed.example", &["10.255.255.1", "127.0.0.1"])]);
    let answer = client.send(post(format!("http://mixed.example:{}/", server.port))).await.expect("an answer");
    assert_eq!(answer.status, 204);
}

#[tokio::test]
async fn literal_addresses_are_judged_in_every_spelling() {
    let client = client(false, &[]);
    for host in [
        "127.0.0.1",
        "127.1",
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "127.0.0.1.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::a00:1]",
        "169.254.169.254",
        "localhost",
        "a.localhost.",
        "１２７.0.0.1",
    ] {
        let url = format!("http://{host}:9/");
        assert!(matches!(client.check_url(&url), Err(OutboundError::DeniedAddress(_))), "{host}");
        assert!(matches!(client.send(post(url)).await, Err(OutboundError::DeniedAddress(_))), "{host}");
    }
}

#[tokio::test]
async fn urls_and_headers_that_cannot_be_sent_say_why() {
    let client = client(true, &[]);
    for url in ["ftp://a.example/", "http://user:secret@a.example/", "http://", "not a url", "http://a.example:0/"] {
        assert!(matches!(client.check_url(url), Err(OutboundError::Invalid(_))), "{url}");
    }
    for (name, value) in [
        ("host", "b.example"),
        ("TE", "trailers"),
        ("Expect", "100-continue"),
        ("upgrade", "h2c"),
        ("Trailer", "x"),
        ("bad name", "1"),
        ("x-line", "a\r\nb: c"),
    ] {
        let mut request = post("http://127.0.0.1:9/".into());
        request.headers = vec![(name.into(), value.into())];
        assert!(matches!(client.send(request).await, Err(OutboundError::Invalid(_))), "{name}");
    }
}

#[tokio::test]
async fn a_large_body_is_cut() {
    let body = "x".repeat(200_000);
    let server = Server::answering(&format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())).await;
    let answer = client(true, &[]).send(post(format!("http://127.0.0.1:{}/", server.port))).await.expect("an answer");
    assert_eq!((answer.status, answer.body.len()), (200, 64 * 1024));
}

#[tokio::test]
async fn a_silent_receiver_runs_into_the_timeout() {
    let server = Server::start(None).await;
    let mut request = post(format!("http://127.0.0.1:{}/", server.port));
    request.timeout = Duration::from_millis(100);
    let error = client(true, &[]).send(request).await.expect_err("no answer");
    assert_eq!(error, OutboundError::Timeout(Duration::from_millis(100)));
}

#[tokio::test]
async fn failures_to_connect_and_to_resolve_are_told_apart() {
    let client = client(true, &[]);
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address").port();
    let error = client.send(post(format!("http://127.0.0.1:{closed}/"))).await.expect_err("refused");
    assert!(matches!(error, OutboundError::Connect(_)), "{error}");
    let error = client.send(post("http://nowhere.example/".into())).await.expect_err("unknown");
    assert_eq!(error, OutboundError::Dns);
}
