//! Sockets of dialects: pairing by them, messages over them, and whose they are.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use portico_harness::{Client, DEADLINE, Kind, TestGateway, wait_until};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async, connect_async};

use crate::enablements::{component, install};

on_both! {
    a_device_is_paired_by_its_socket_and_messages_follow
    another_tenant_hears_nothing_and_a_bad_token_opens_nothing
}

const SESSION: &str = "user_shop_device_front";

/// A socket, and what came over it.
struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    seen: Vec<Value>,
}

/// Why a socket was not opened.
async fn refused(url: &str) -> (u16, Value) {
    match connect_async(url).await {
        Err(Error::Http(answer)) => {
            let body = answer.body().as_deref().unwrap_or_default();
            (answer.status().as_u16(), serde_json::from_slice(body).unwrap_or_default())
        }
        other => panic!("{url}: {other:?}"),
    }
}

impl Socket {
    async fn open(url: &str) -> Self {
        let (stream, _) = connect_async(url).await.unwrap_or_else(|e| panic!("{url}: {e}"));
        Self { stream, seen: Vec::new() }
    }

    async fn say(&mut self, message: &str) {
        self.stream.send(Message::text(message)).await.expect("it is open");
    }

    /// Subscribes, and returns once that was taken: what answers a ping has taken everything before it.
    async fn subscribe(&mut self, session: &str) {
        self.say(&json!({ "type": "subscribe", "sessionId": session }).to_string()).await;
        self.stream.send(Message::Ping("subscribed?".into())).await.expect("it is open");
        loop {
            match tokio::time::timeout(DEADLINE, self.stream.next()).await.expect("in time") {
                Some(Ok(Message::Pong(_))) => return,
                Some(Ok(Message::Text(text))) => self.seen.push(serde_json::from_str(&text).expect("JSON")),
                Some(Ok(Message::Ping(_))) => {}
                other => panic!("it ended: {other:?}"),
            }
        }
    }

    /// The next text, or the code it was closed with.
    async fn next(&mut self) -> Result<Value, u16> {
        loop {
            let message = tokio::time::timeout(DEADLINE, self.stream.next()).await.expect("in time");
            match message {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).expect("JSON")),
                Some(Ok(Message::Close(Some(frame)))) => return Err(frame.code.into()),
                Some(Ok(_)) => {}
                other => panic!("it ended without a word: {other:?}"),
            }
        }
    }

    /// The first frame of that type, among those that came and come.
    async fn frame(&mut self, kind: &str) -> Value {
        while !self.seen.iter().any(|frame| frame["type"] == kind) {
            let next = self.next().await.expect("it is open");
            self.seen.push(next);
        }
        let at = self.seen.iter().position(|frame| frame["type"] == kind).expect("it is there");
        self.seen.remove(at)
    }

    /// The code that it is closed with, whatever comes before.
    async fn closed(&mut self) -> u16 {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }
}

async fn gateway(kind: Kind) -> TestGateway {
    with_plugins(TestGateway::start(kind).await, &["dialect-devices"]).await
}

async fn with_plugins(gw: TestGateway, ids: &[&str]) -> TestGateway {
    for id in ids {
        let bytes = if *id == "hostile" { hostile() } else { component(id) };
        install(&gw.api, bytes).await.expect(201);
        gw.api.put(&format!("/v1/plugins/{id}/enablement"), json!({ "state": "on" })).await.expect(200);
    }
    gw
}

fn hostile() -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/hostile");
    std::fs::read(portico_pack::ensure_built(folder).expect("the guest builds")).expect("a component")
}

/// A session of the dialect whose device is not linked.
async fn session(gw: &TestGateway) -> String {
    let refs = json!({ "devices.session": SESSION });
    gw.api.post("/v1/devices", json!({ "name": "front", "refs": refs })).await.expect(201).str("/id")
}

fn second(gw: &TestGateway) -> SocketAddr {
    gw.running().ws.expect("a second listener")
}

async fn a_device_is_paired_by_its_socket_and_messages_follow(kind: Kind) {
    let gw = gateway(kind).await;
    let device = session(&gw).await;
    let mut early = Socket::open(&format!("ws://{}/?token={}", second(&gw), gw.key)).await;
    early.subscribe(SESSION).await;
    // Opened and not subscribed: it hears nothing of this.
    let mut silent = Socket::open(&format!("ws://{}/ws/?token={}", gw.running().http, gw.key)).await;
    gw.api.act(&format!("/v1/devices/{device}/connect")).await;

    let code = early.frame("qr").await;
    assert_eq!(code["sessionId"], SESSION);
    let picture = early.frame("qr_code").await;
    assert!(picture["data"]["qrCode"].as_str().is_some_and(|png| png.starts_with("data:image/png;base64,")));
    // Who comes late gets the code that waits.
    let mut late = Socket::open(&format!("ws://{}/d/devices/?token={}", gw.running().http, gw.key)).await;
    late.subscribe(SESSION).await;
    assert!(late.frame("qr").await["qr"].is_string());

    let phone = gw.phone();
    // The code may have been replaced since it was told; the next one is told as well.
    wait_until("the phone to scan the code", || async { phone.scan_qr(&current(&gw, &device).await?).await.ok() })
        .await;
    for socket in [&mut early, &mut late] {
        loop {
            let frame = socket.frame("connection").await;
            if frame["status"] == "connected" {
                assert_eq!(
                    (&frame["phoneNumber"], &frame["sessionId"]),
                    (&json!(format!("+{}", phone.number())), &json!(SESSION))
                );
                break;
            }
        }
        assert_eq!(socket.frame("session_update").await["sessionId"], SESSION);
        assert_eq!(socket.frame("device_connected").await["sessionId"], SESSION);
    }

    let customer = gw.phone();
    customer.send_text(phone.number(), "hello there").await.expect("sent");
    let frame = early.frame("message").await;
    let from = format!("{}@s.whatsapp.net", customer.number());
    assert_eq!((&frame["message"]["body"], &frame["message"]["from"]), (&json!("hello there"), &json!(from)));
    assert_eq!(early.frame("message_received").await["data"]["message"], "hello there");
    silent.subscribe(SESSION).await;
    customer.send_text(phone.number(), "and you?").await.expect("sent");
    // A stream that lags behind may come to the text before only now; nothing else was told before it subscribed.
    let mut body = silent.frame("message").await["message"]["body"].clone();
    if body == "hello there" {
        body = silent.frame("message").await["message"]["body"].clone();
    }
    assert_eq!(body, "and you?");
}

/// The code that can be scanned now.
async fn current(gw: &TestGateway, device: &str) -> Option<String> {
    let answer = gw.api.get(&format!("/v1/devices/{device}/qr?format=json")).await;
    (answer.status == 200).then(|| answer.str("/text"))
}

async fn another_tenant_hears_nothing_and_a_bad_token_opens_nothing(kind: Kind) {
    let gw = gateway(kind).await;
    let device = session(&gw).await;
    let phone = gw.phone();
    gw.pair(&device, &phone).await;
    let root = format!("ws://{}/", second(&gw));
    let made = gw.api.with_key(None).post("/v1/keys", json!({ "name": "other" })).await.expect(201);
    let other = made.str("/key");
    let theirs = gw.api.with_key(Some(&other));
    theirs.put("/v1/plugins/dialect-devices/enablement", json!({ "state": "off" })).await.expect(200);
    assert_eq!(refused(&format!("{root}?token={other}")).await.0, 404, "it is off for them");
    theirs.put("/v1/plugins/dialect-devices/enablement", json!({ "state": "on" })).await.expect(200);

    // The same session id, of another tenant that has none of that name.
    let mut stranger = Socket::open(&format!("{root}?token={other}")).await;
    stranger.subscribe(SESSION).await;
    let mut owner = Socket::open(&format!("{root}?token={}", gw.key)).await;
    owner.subscribe(SESSION).await;
    gw.phone().send_text(phone.number(), "for the owner").await.expect("sent");
    assert_eq!(owner.frame("message").await["message"]["body"], "for the owner");
    // Its own session comes through, and nothing came before it.
    let refs = json!({ "devices.session": SESSION });
    let theirs_id = theirs.post("/v1/devices", json!({ "name": "front", "refs": refs })).await.expect(201).str("/id");
    theirs.act(&format!("/v1/devices/{theirs_id}/connect")).await;
    let first = stranger.next().await.expect("it is open");
    assert_eq!((&first["type"], &first["status"]), (&json!("connection"), &json!("pending")), "{first}");

    let (status, body) = refused(&format!("{root}?token=wrong")).await;
    assert_eq!((status, &body["code"]), (401, &json!("INVALID_API_TOKEN")), "in the words of the API: {body}");
    assert_eq!(refused(&root).await.0, 401);
    let narrow = gw.api.post("/v1/keys", json!({ "name": "narrow", "scopes": ["messages:write"] })).await.expect(201);
    assert_eq!(refused(&format!("{root}?token={}", narrow.str("/key"))).await.0, 403);

    // A key that is revoked ends its sockets.
    let made = gw.api.post("/v1/keys", json!({ "name": "short", "scopes": ["messages:read"] })).await.expect(201);
    let mut short = Socket::open(&format!("{root}?token={}", made.str("/key"))).await;
    gw.api.delete(&format!("/v1/keys/{}", made.str("/id"))).await;
    gw.phone().send_text(phone.number(), "after that").await.expect("sent");
    assert_eq!(short.closed().await, 1008);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_asks_for_codes_gets_them_and_can_resume() {
    let gw = TestGateway::start(Kind::Sqlite).await;
    let device = gw.api.post("/v1/devices", json!({ "name": "front" })).await.expect(201).str("/id");
    let events = |kinds: &str| format!("ws://{}/v1/events?type={kinds}", second(&gw));
    let open = async |url: String| {
        use tokio_tungstenite::tungstenite::client::IntoClientRequest;
        let mut request = url.into_client_request().expect("a request");
        request.headers_mut().insert("authorization", format!("Bearer {}", gw.key).parse().expect("a header"));
        let (stream, _) = connect_async(request).await.expect("a stream");
        Socket { stream, seen: Vec::new() }
    };
    let (mut all, mut codes) = (open(events("*")).await, open(events("device.qr,device.state")).await);
    gw.api.act(&format!("/v1/devices/{device}/connect")).await;
    let code = codes.frame("device.qr").await;
    assert_eq!(code["device"], device.as_str());
    assert!(
        code["data"]["text"].is_string() && code["data"]["png"].is_string() && code["data"]["expires_at"].is_string()
    );
    let last = codes.seen.iter().filter_map(|event| event["seq"].as_i64()).max().expect("states came before");
    assert_eq!(code["seq"], last, "the place of the last event before it");
    // Stored nowhere: neither read again, nor for who wants `*`, nor for webhooks.
    let page = gw.api.get("/v1/events?after=0&type=device.qr").await.expect(200);
    assert_eq!(page.json["items"], json!([]));
    all.frame("device.state").await;
    all.frame("device.state").await;
    assert!(all.seen.iter().all(|event| event["type"] != "device.qr"), "{:?}", all.seen);
    let hook = json!({ "url": "https://example.com/in", "events": ["device.qr"] });
    gw.api.post("/v1/webhooks", hook).await.expect(400);
    let read = gw.api.post("/v1/keys", json!({ "name": "read", "scopes": ["messages:read"] })).await.expect(201);
    let reader = gw.api.with_key(Some(&read.str("/key")));
    reader.get("/v1/events?type=device.qr").await.expect(403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_wants_a_thousand_sockets_gets_what_the_limits_say() {
    let gw = TestGateway::start_with(Kind::Sqlite, |config| {
        config.server.http.sockets_per_key = 20;
        config.server.http.sockets_per_tenant = 30;
    })
    .await;
    let gw = with_plugins(gw, &["dialect-devices"]).await;
    let url = |key: &str| format!("ws://{}/?token={key}", second(&gw));
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(Socket::open(&url(&gw.key)).await);
    }
    for _ in 20..1_000 {
        assert_eq!(refused(&url(&gw.key)).await.0, 429);
    }
    // Another key of the tenant has what is left of the tenant's, and another tenant all of its own.
    let made = gw.api.post("/v1/keys", json!({ "name": "second", "scopes": ["messages:read"] })).await.expect(201);
    let second_key = made.str("/key");
    for _ in 0..10 {
        open.push(Socket::open(&url(&second_key)).await);
    }
    assert_eq!(refused(&url(&second_key)).await.0, 429);
    let other = gw.api.with_key(None).post("/v1/keys", json!({ "name": "other" })).await.expect(201).str("/key");
    let theirs = gw.api.with_key(Some(&other));
    theirs.put("/v1/plugins/dialect-devices/enablement", json!({ "state": "on" })).await.expect(200);
    Socket::open(&url(&other)).await;
    assert!(gw.api.get("/metrics").await.text.contains("portico_dialect_sockets{dialect=\"devices\"}"));
    // Room is given back.
    drop(open);
    wait_until("room for one more", || async { connect_async(url(&gw.key)).await.ok().map(drop) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_says_is_bounded() {
    let gw = TestGateway::start_with(Kind::Sqlite, |config| {
        config.server.http.socket_frame_bytes_max = 1_024;
        config.server.http.socket_messages_per_minute = 5;
    })
    .await;
    let gw = with_plugins(gw, &["dialect-devices"]).await;
    let url = format!("ws://{}/?token={}", second(&gw), gw.key);
    for bytes in [1_025, 4_096] {
        let mut socket = Socket::open(&url).await;
        socket.say(&"x".repeat(bytes)).await;
        assert_eq!(socket.closed().await, 1009, "{bytes}");
    }
    // Most of this is not even read, so that the reason may get lost with the connection.
    let mut flood = Socket::open(&url).await;
    let _ = flood.stream.send(Message::text("x".repeat(8 << 20))).await;
    loop {
        match tokio::time::timeout(DEADLINE, flood.stream.next()).await.expect("in time") {
            Some(Ok(Message::Close(Some(frame)))) => break assert_eq!(u16::from(frame.code), 1009),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => break,
        }
    }
    let mut talker = Socket::open(&url).await;
    for _ in 0..6 {
        talker.say("ping").await;
    }
    assert_eq!(talker.closed().await, 1008);
    let mut binary = Socket::open(&url).await;
    binary.stream.send(Message::binary(vec![1, 2, 3])).await.expect("it is open");
    assert_eq!(binary.closed().await, 1003);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reads_nothing_is_closed_and_others_are_not_delayed() {
    let gw = TestGateway::start_with(Kind::Sqlite, |config| {
        config.server.http.stream_send_timeout = Duration::from_millis(500);
        config.server.http.sockets_per_key = 2;
    })
    .await;
    let gw = with_plugins(gw, &["dialect-devices"]).await;
    let device = session(&gw).await;
    let (phone, customer) = (gw.phone(), gw.phone());
    gw.pair(&device, &phone).await;
    let url = format!("ws://{}/?token={}", second(&gw), gw.key);
    // What the system keeps for a connection that nobody reads is kept small here.
    let plain = TcpSocket::new_v4().expect("a socket");
    plain.set_recv_buffer_size(4_096).expect("a size");
    let plain = plain.connect(second(&gw)).await.expect("a connection");
    let (stream, _) = client_async(&url, MaybeTlsStream::Plain(plain)).await.expect("a socket");
    let (mut slow, mut quick) = (Socket { stream, seen: Vec::new() }, Socket::open(&url).await);
    slow.subscribe(SESSION).await;
    quick.subscribe(SESSION).await;
    assert_eq!(refused(&url).await.0, 429, "both are open");
    let text = "x".repeat(60_000);
    for _ in 0..100 {
        customer.send_text(phone.number(), &text).await.expect("sent");
        assert!(quick.frame("message").await["message"]["body"].is_string());
        quick.seen.clear();
    }
    wait_until("the slow one to be closed", || async { connect_async(&url).await.ok().map(drop) }).await;
    // Behind what it had not read is the reason, if that found room.
    loop {
        match tokio::time::timeout(DEADLINE, slow.stream.next()).await.expect("in time") {
            Some(Ok(Message::Close(Some(frame)))) => break assert_eq!(u16::from(frame.code), 1013),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => break,
        }
    }
    customer.send_text(phone.number(), "still there?").await.expect("sent");
    assert_eq!(quick.frame("message").await["message"]["body"], "still there?");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_traps_closes_its_own_socket_only() {
    let gw = with_plugins(TestGateway::start(Kind::Sqlite).await, &["dialect-devices", "hostile"]).await;
    let device = session(&gw).await;
    let phone = gw.phone();
    gw.pair(&device, &phone).await;
    let base = format!("ws://{}", second(&gw));
    let hostile = |what: &str| format!("{base}/hostile?token={}&do={what}", gw.key);
    // It is asked before anything is upgraded.
    assert_eq!(refused(&hostile("panic")).await.0, 502);
    assert_eq!(refused(&hostile("pass")).await.0, 404);
    let mut bad = Socket::open(&hostile("")).await;
    let seen = bad.next().await.expect("it is open");
    assert_eq!(seen["query"], json!([["do", ""]]), "no credential reaches it");
    bad.say("at-event panic").await;
    assert_eq!(bad.next().await, Ok(json!("at-event panic")));
    let mut good = Socket::open(&hostile("")).await;
    good.next().await.expect("it is open");
    let mut other = Socket::open(&format!("{base}/?token={}", gw.key)).await;
    other.subscribe(SESSION).await;
    gw.phone().send_text(phone.number(), "boom").await.expect("sent");
    assert_eq!(bad.closed().await, 1011);
    assert_eq!(good.next().await, Ok(json!({ "event": "message.received" })));
    assert_eq!(other.frame("message").await["message"]["body"], "boom");
    good.say("bye").await;
    assert_eq!(good.closed().await, 1000);

    // Switched off, it is closed with what comes next.
    gw.api.put("/v1/plugins/dialect-devices/enablement", json!({ "state": "off" })).await.expect(200);
    gw.phone().send_text(phone.number(), "gone").await.expect("sent");
    assert_eq!(other.closed().await, 1008);
    assert_eq!(refused(&format!("{base}/?token={}", gw.key)).await.0, 404);
}

/// The dialect's own requests still work beside its sockets, and a browser still gets the landing page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_upgrades_are_taken_at_the_root() {
    let gw = gateway(Kind::Sqlite).await;
    let page = Client::send(gw.api.with_key(None).request(Method::GET, "/")).await;
    assert!(page.status == 200 && page.text.contains("Portico"));
    let plain = reqwest::get(format!("http://{}/?token={}", second(&gw), gw.key)).await.expect("an answer");
    assert_eq!(plain.status(), 404);
    let path = format!("/?token={}", gw.key);
    let half = Client::send(gw.api.request(Method::GET, &path).header("upgrade", "websocket")).await;
    assert!(half.status >= 400, "{}", half.text);
}
