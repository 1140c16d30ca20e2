use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::routing::get;
use portico_core::id::EventId;
use portico_core::time::UtcMs;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::tests::fakes::{api_with, caller};
use crate::{HttpConfig, ServeLimits, serve};

fn feed(after: i64) -> Feed {
    let app = api_with(HttpConfig::default()).app;
    let permit = permit(&app, caller().tenant()).ok().unwrap();
    let ctx = OpContext::new(app.services.clone(), caller(), None);
    Feed::new(&app, ctx, Wanted::default(), after, permit)
}

fn event(seq: i64) -> Event {
    Event {
        id: EventId::new(1, 1),
        seq,
        kind: portico_core::event::EventKind::MessageReceived,
        tenant: caller().tenant().clone(),
        device: None,
        lane: "lane".to_owned(),
        timestamp: UtcMs(0),
        data: Value::Null,
    }
}

#[tokio::test]
async fn after_a_page_that_ended_early_comes_the_next() {
    let mut feed = feed(4);
    // One event, far less than the rows of a page: the bytes were up.
    assert!(feed.accept(Batch { events: vec![event(5)], more: true }).is_none());
    assert!(matches!(feed.next().await, Item::Events(events) if events[0].seq == 5));
    assert!(feed.pending, "it does not wait for a ring");
    assert!(feed.accept(Batch { events: vec![event(6)], more: false }).is_none(), "without a hole");
    assert!(!feed.pending);
}

#[tokio::test]
async fn a_hole_is_told() {
    let mut feed = feed(4);
    let gap = feed.accept(Batch { events: vec![event(7)], more: false });
    assert!(matches!(gap, Some(Item::Gap(4, 7))));
    assert!(matches!(feed.next().await, Item::Events(events) if events[0].seq == 7));
}

#[test]
fn a_tenant_has_so_many_streams() {
    let app = api_with(HttpConfig { streams_per_tenant: 1, ..HttpConfig::default() }).app;
    let _held = permit(&app, caller().tenant()).ok().unwrap();
    assert!(matches!(permit(&app, caller().tenant()), Err(Error::Busy { .. })));
}

/// Resident memory of this process, in bytes.
fn resident() -> u64 {
    crate::metrics::resident_bytes().unwrap()
}

/// Opens a stream over a socket and reads until its first message.
async fn open(address: std::net::SocketAddr, request: &str) -> TcpStream {
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(request.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while !seen.windows(11).any(|window| window == b"stream.open") {
        let mut some = [0; 512];
        let count = client.read(&mut some).await.unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&some[..count]);
    }
    client
}

/// Says to a child process of the test below which kind of stream to measure.
const MEASURED: &str = "PORTICO_MEASURED_STREAM";

/// Streams that have nothing to tell. The memory of a whole process is measured, both ends of each connection, so each kind
/// has a process of its own, in which no other test runs.
#[tokio::test]
async fn an_open_stream_costs_little_memory() {
    const BYTES_MAX: u64 = 50 * 1024;
    if let Some(kind) = std::env::var_os(MEASURED) {
        let each = memory_of_a_stream(&kind.to_string_lossy()).await;
        assert!(each < BYTES_MAX, "{each} bytes for each stream");
        println!("{each} bytes for each stream");
        return;
    }
    for kind in ["sse", "ws"] {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "stream::tests::an_open_stream_costs_little_memory", "--nocapture"]).env(MEASURED, kind);
        let output = child.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("bytes for each stream"), "{kind}: {said}");
        println!("{kind}: {said}");
    }
}

async fn memory_of_a_stream(kind: &str) -> u64 {
    const STREAMS: u64 = 300;
    let config = HttpConfig { streams_per_tenant: u32::MAX, ..HttpConfig::default() };
    let app = api_with(config).app;
    let idle = move |app: Arc<Shared>| {
        let permit = permit(&app, caller().tenant()).ok().unwrap();
        let ctx = OpContext::new(app.services.clone(), caller(), None);
        let mut feed = Feed::new(&app, ctx, Wanted::default(), 0, permit);
        // The fake database can't be read, and there is nothing to read in it.
        feed.pending = false;
        feed
    };
    let sse = get(async move |State(app): State<Arc<Shared>>| sse::serve(idle(app)));
    let ws = get(async move |State(app): State<Arc<Shared>>, upgrade: WebSocketUpgrade| ws::serve(idle(app), upgrade));
    let router = Router::new().route("/sse", sse).route("/ws", ws).with_state(app);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(serve(listener, router, ServeLimits::default(), std::future::pending()));
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let headers = if kind == "ws" { upgrade } else { "" };
    let request = format!("GET /{kind} HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
    // The first one pays for what all share.
    let mut clients = vec![open(address, &request).await];
    let before = resident();
    for _ in 0..STREAMS {
        clients.push(open(address, &request).await);
    }
    let each = resident().saturating_sub(before) / STREAMS;
    server.abort();
    each
}
