//! Event streams: live, resumable, filtered.

use futures_util::{SinkExt, StreamExt};
use portico_harness::{Kind, TestGateway, wait_until};
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

on_both! { a_stream_resumes_where_it_broke_off a_websocket_shows_what_happens }

async fn a_stream_resumes_where_it_broke_off(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let customer = gw.phone();
    let received = async |count: usize| {
        wait_until("the texts", || async {
            let list = gw.api.get(&format!("/v1/devices/{}/messages?direction=in", device.id)).await.json;
            (list["items"].as_array().map_or(0, Vec::len) == count).then_some(())
        })
        .await;
    };
    customer.send_text(device.phone.number(), "first").await.expect("sent");
    received(1).await;
    let first = read_sse(&gw, "/v1/events?after=0&type=message.received", 1).await.remove(0);
    assert_eq!(first["data"]["content"]["text"], "first");

    customer.send_text(device.phone.number(), "second").await.expect("sent");
    received(2).await;
    let path = format!("/v1/events?after={}&type=message.received", first["seq"]);
    let second = read_sse(&gw, &path, 1).await.remove(0);
    assert_eq!(second["data"]["content"]["text"], "second");

    // Without a filter: no gap, no repetition.
    let all = read_sse(&gw, "/v1/events?after=0", 5).await;
    let seqs: Vec<_> = all.iter().map(|e| e["seq"].as_i64().unwrap_or(0)).collect();
    assert_eq!(seqs, [1, 2, 3, 4, 5]);
}

/// Reads so many events of a server-sent stream.
async fn read_sse(gw: &TestGateway, path: &str, count: usize) -> Vec<Value> {
    let request = gw.api.request(reqwest::Method::GET, path).header("Accept", "text/event-stream");
    let response = request.send().await.expect("a stream");
    assert_eq!(response.status(), 200);
    let mut stream = response.bytes_stream();
    let mut text = String::new();
    let mut events = Vec::new();
    while events.len() < count {
        let chunk = tokio::time::timeout(portico_harness::DEADLINE, stream.next()).await.expect("in time");
        text.push_str(&String::from_utf8_lossy(&chunk.expect("more").expect("readable")));
        while let Some(end) = text.find("\n\n") {
            let block: String = text.drain(..end + 2).collect();
            // Blocks with a name tell about the stream itself.
            let unnamed = !block.lines().any(|l| l.starts_with("event:"));
            let data = block.lines().find_map(|l| l.strip_prefix("data:")).filter(|_| unnamed);
            events.extend(data.and_then(|d| serde_json::from_str::<Value>(d.trim()).ok()));
        }
    }
    events.truncate(count);
    events
}

async fn a_websocket_shows_what_happens(kind: Kind) {
    let gw = TestGateway::start(kind).await;
    let device = gw.paired("sales").await;
    let address = gw.running().ws.expect("a second listener");
    let mut request = format!("ws://{address}/v1/events").into_client_request().expect("a request");
    let bearer = format!("Bearer {}", gw.key).parse().expect("a header");
    request.headers_mut().insert("authorization", bearer);
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.expect("a socket");
    gw.phone().send_text(device.phone.number(), "live").await.expect("sent");
    let event = loop {
        let frame = tokio::time::timeout(portico_harness::DEADLINE, socket.next()).await.expect("in time");
        match frame.expect("open").expect("a frame") {
            Message::Text(text) => {
                let event: Value = serde_json::from_str(&text).expect("JSON");
                if event["type"] == "message.received" {
                    break event;
                }
            }
            Message::Ping(data) => socket.send(Message::Pong(data)).await.expect("open"),
            _ => {}
        }
    };
    assert_eq!(event["data"]["content"]["text"], "live");

    let stranger = format!("ws://{address}/v1/events").into_client_request().expect("a request");
    assert!(tokio_tungstenite::connect_async(stranger).await.is_err(), "no key, no stream");
}
