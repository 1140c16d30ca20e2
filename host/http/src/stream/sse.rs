//! A stream as server-sent events: `id` is the `seq`, `data` the event's JSON.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::http::HeaderName;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use portico_core::event::Event;
use serde_json::Value;
use tokio::sync::mpsc;

use super::{End, Feed, Item, gap};

/// Chunks that wait for the client at most, each of them up to a page of events.
const CHUNKS: usize = 4;

/// Answers with a stream that runs until either side ends it.
pub(crate) fn serve(mut feed: Feed) -> Response {
    let (sender, receiver) = mpsc::channel::<Bytes>(CHUNKS);
    // Held until the last chunk was taken: chunks that a client does not read take memory also after the feed has ended.
    let permit = feed.take_permit();
    tokio::spawn(run(feed, sender));
    let chunks = stream::unfold((receiver, permit), async |(mut receiver, permit)| {
        let chunk = receiver.recv().await?;
        Some((Ok::<_, Infallible>(chunk), (receiver, permit)))
    });
    // Proxies such as nginx hold streams back unless told not to.
    let unbuffered = (HeaderName::from_static("x-accel-buffering"), "no");
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store"), unbuffered];
    (headers, Body::from_stream(chunks)).into_response()
}

async fn run(mut feed: Feed, sender: mpsc::Sender<Bytes>) {
    // One slot is reserved, so that the reason can be queued even when the client reads nothing.
    let Ok(last) = sender.clone().try_reserve_owned() else { return };
    if let Some(end) = follow(&mut feed, &sender).await {
        last.send(Bytes::from(format!("event: stream.end\ndata: {}\n\n", Value::from(end.reason()))));
    }
}

/// `None` when the client went.
async fn follow(feed: &mut Feed, sender: &mpsc::Sender<Bytes>) -> Option<End> {
    let mut chunk = control("stream.open", &feed.opening());
    loop {
        match sender.send_timeout(Bytes::from(chunk), feed.send_timeout).await {
            Ok(()) => {}
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => return Some(End::TooSlow),
            Err(mpsc::error::SendTimeoutError::Closed(_)) => return None,
        }
        let item = tokio::select! {
            () = sender.closed() => return None,
            item = feed.next() => item,
        };
        chunk = match item {
            Item::Events(events) => events.iter().filter_map(written).collect(),
            Item::Gap(after, next) => control("stream.gap", &gap(after, next)),
            Item::Beat => ": alive\n\n".to_owned(),
            Item::End(end) => return Some(end),
        };
    }
}

fn written(event: &Event) -> Option<String> {
    // JSON has no raw line breaks, so one `data` line holds it.
    let json = serde_json::to_string(event).ok()?;
    Some(format!("id: {}\ndata: {json}\n\n", event.seq))
}

fn control(name: &str, value: &Value) -> String {
    format!("event: {name}\ndata: {value}\n\n")
}
