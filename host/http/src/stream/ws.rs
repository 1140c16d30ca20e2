//! A stream as a WebSocket: one JSON object per text message.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use portico_core::event::Event;
use serde::Serialize;
use tokio::time::{Instant, timeout};

use super::{End, Feed, Item, gap};

/// The subprotocol that is agreed to when a client offers it. The one that carries the key is never repeated.
const PROTOCOL: &str = "portico.events";
/// Bytes of a message from a client at most; nothing it says matters.
const CLIENT_BYTES_MAX: usize = 4 * 1024;
/// Bytes of the buffer that messages of the client are read into. The library's own default of 128 KiB is meant for few
/// connections with large messages.
const READ_BUFFER_BYTES: usize = 1024;
/// Bytes that are collected before they are written to the socket; the default is 128 KiB here too.
const WRITE_BUFFER_BYTES: usize = 4 * 1024;
/// Bytes that wait for the socket at most.
const WRITE_BYTES_MAX: usize = 2 << 20;
/// Heartbeats without a sign of life after which a client counts as gone.
pub(crate) const MISSED_BEATS_MAX: u32 = 3;
/// How long the close frame may take to be sent.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Answers the upgrade; the stream runs on its own from then on.
pub(crate) fn serve(feed: Feed, upgrade: WebSocketUpgrade) -> Response {
    small(upgrade, CLIENT_BYTES_MAX).protocols([PROTOCOL]).on_upgrade(|socket| run(feed, socket))
}

/// An upgrade whose connection takes little memory, and messages of at most so many bytes.
pub(crate) fn small(upgrade: WebSocketUpgrade, client_bytes_max: usize) -> WebSocketUpgrade {
    upgrade
        .max_message_size(client_bytes_max)
        .max_frame_size(client_bytes_max)
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(WRITE_BYTES_MAX)
}

/// Why a connection is over.
pub(crate) enum Closed {
    /// The client has gone.
    Gone,
    /// This side ends it.
    Ended(End),
}

/// A connection, both ways.
pub(crate) struct Socket {
    sink: SplitSink<WebSocket, Message>,
    pub(crate) stream: SplitStream<WebSocket>,
    send_timeout: Duration,
}

async fn run(mut feed: Feed, socket: WebSocket) {
    let mut socket = Socket::new(socket, feed.send_timeout);
    if let Err(Closed::Ended(end)) = follow(&mut feed, &mut socket).await {
        socket.close(code(&end), end.reason()).await;
    }
}

/// The code in the close frame.
pub(crate) fn code(end: &End) -> u16 {
    match end {
        End::Stopping => close_code::AWAY,
        End::Unauthenticated => close_code::POLICY,
        End::TooSlow => close_code::AGAIN,
        End::Failed => close_code::ERROR,
    }
}

async fn follow(feed: &mut Feed, socket: &mut Socket) -> Result<std::convert::Infallible, Closed> {
    socket.send(vec![text(&feed.opening())?]).await?;
    let mut heard = Instant::now();
    loop {
        tokio::select! {
            message = socket.stream.next() => match message {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Closed::Gone),
                Some(Ok(_)) => heard = Instant::now(),
            },
            item = feed.next() => match item {
                Item::Events(events) => socket.send(events.iter().map(text::<Event>).collect::<Result<_, _>>()?).await?,
                Item::Gap(after, next) => socket.send(vec![text(&gap(after, next))?]).await?,
                Item::Beat if heard.elapsed() > feed.heartbeat * MISSED_BEATS_MAX => return Err(Closed::Gone),
                Item::Beat => socket.send(vec![Message::Ping(Default::default())]).await?,
                Item::End(end) => return Err(Closed::Ended(end)),
            },
        }
    }
}

fn text<T: Serialize>(value: &T) -> Result<Message, Closed> {
    match serde_json::to_string(value) {
        Ok(json) => Ok(Message::text(json)),
        Err(_) => Err(Closed::Ended(End::Failed)),
    }
}

impl Socket {
    pub(crate) fn new(socket: WebSocket, send_timeout: Duration) -> Self {
        let (sink, stream) = socket.split();
        Self { sink, stream, send_timeout }
    }

    /// Says why this side ends it. Best effort: the client may be stuck or gone.
    pub(crate) async fn close(&mut self, code: u16, reason: &str) {
        let frame = CloseFrame { code, reason: reason.into() };
        let _ = timeout(CLOSE_TIMEOUT, self.sink.send(Message::Close(Some(frame)))).await;
    }

    /// Writes everything, or gives the client up.
    pub(crate) async fn send(&mut self, messages: Vec<Message>) -> Result<(), Closed> {
        let sink = &mut self.sink;
        let all = async {
            for message in messages {
                sink.feed(message).await?;
            }
            sink.flush().await
        };
        match timeout(self.send_timeout, all).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Closed::Gone),
            Err(_) => Err(Closed::Ended(End::TooSlow)),
        }
    }
}
