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

use super::{End, Feed, Step, gap};

/// Pieces that wait for the client at most, each of them up to a page of events.
const PIECES: usize = 4;

/// Answers with a stream that runs until either side ends it.
pub(crate) fn serve(mut feed: Feed) -> Response {
    let (sender, receiver) = mpsc::channel::<Bytes>(PIECES);
    // Kept until the last piece is gone: a client that reads nothing holds pieces, whatever became of the feed.
    let place = feed.take_place();
    tokio::spawn(run(feed, sender));
    let pieces = stream::unfold((receiver, place), async |(mut receiver, place)| {
        let piece = receiver.recv().await?;
        Some((Ok::<_, Infallible>(piece), (receiver, place)))
    });
    // Proxies such as nginx hold streams back unless told not to.
    let unbuffered = (HeaderName::from_static("x-accel-buffering"), "no");
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store"), unbuffered];
    (headers, Body::from_stream(pieces)).into_response()
}

async fn run(mut feed: Feed, sender: mpsc::Sender<Bytes>) {
    // Kept free for the goodbye to a client that accepts nothing.
    let Ok(farewell) = sender.clone().try_reserve_owned() else { return };
    if let Some(end) = follow(&mut feed, &sender).await {
        farewell.send(Bytes::from(format!("event: stream.end\ndata: {}\n\n", Value::from(end.reason()))));
    }
}

/// `None` when the client went.
async fn follow(feed: &mut Feed, sender: &mpsc::Sender<Bytes>) -> Option<End> {
    let mut piece = control("stream.open", &feed.opening());
    loop {
        match sender.send_timeout(Bytes::from(piece), feed.send_timeout).await {
            Ok(()) => {}
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => return Some(End::TooSlow),
            Err(mpsc::error::SendTimeoutError::Closed(_)) => return None,
        }
        let step = tokio::select! {
            () = sender.closed() => return None,
            step = feed.next() => step,
        };
        piece = match step {
            Step::Events(events) => events.iter().filter_map(written).collect(),
            Step::Gap(after, next) => control("stream.gap", &gap(after, next)),
            Step::Beat => ": alive\n\n".to_owned(),
            Step::End(end) => return Some(end),
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
