//! One open socket: messages of the client in, frames out, until either side ends it.

use std::time::Duration;

use axum::Error;
use axum::extract::ws::{Message, WebSocket, close_code};
use futures_util::StreamExt;
use tokio::time::{Instant, sleep_until};

use super::party::{Ended, Parties, Said};
use crate::api::App;
use crate::config::HttpConfig;
use crate::stream::ws::{Closed, MISSED_BEATS_MAX, Socket, code};
use crate::stream::{End, Feed, Item};

/// The span in which messages are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// How much larger than allowed a message may be to be closed for that in order; above it, reading ends.
const HARD_LIMIT: usize = 4;

/// Bytes of a message that are read at most.
pub(super) fn hard_limit(config: &HttpConfig) -> usize {
    config.socket_frame_bytes_max.saturating_mul(HARD_LIMIT)
}

/// A socket and what is on this side of it.
pub(super) struct Connection {
    feed: Feed,
    parties: Parties,
    frame_bytes_max: usize,
    messages_max: u32,
    /// When counting began, and how many messages came since.
    window: (Instant, u32),
    heard: Instant,
}

/// Why it is over.
enum Over {
    /// The client has gone.
    Gone,
    /// This side ends it.
    Ended(Ended),
}

impl From<Closed> for Over {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Gone => Self::Gone,
            Closed::Ended(end) => Self::from(end),
        }
    }
}

impl From<End> for Over {
    fn from(end: End) -> Self {
        let reason = match end {
            End::Stopping => "the gateway is stopping; open the socket again",
            End::TooSlow => "too slow; open the socket again",
            End::Failed => "events can't be read at the moment; open the socket again",
            End::Unauthenticated => end.reason(),
        };
        Self::Ended(Ended(code(&end), reason.to_owned()))
    }
}

fn over(code: u16, reason: &str) -> Over {
    Over::Ended(Ended(code, reason.to_owned()))
}

impl Connection {
    pub(super) fn new(app: &App, feed: Feed, parties: Parties) -> Self {
        let now = Instant::now();
        Self {
            feed,
            parties,
            frame_bytes_max: app.config.socket_frame_bytes_max,
            messages_max: app.config.socket_messages_per_minute,
            window: (now, 0),
            heard: now,
        }
    }

    /// Runs it to its end.
    pub(super) async fn run(mut self, socket: WebSocket) {
        let mut socket = Socket::new(socket, self.feed.send_timeout);
        if let Err(Over::Ended(Ended(code, reason))) = self.follow(&mut socket).await {
            socket.close(code, &reason).await;
        }
    }

    async fn follow(&mut self, socket: &mut Socket) -> Result<std::convert::Infallible, Over> {
        if self.parties.choosing().is_none() {
            let said = self.parties.begun();
            say(socket, said).await?;
        }
        loop {
            let choosing = self.parties.choosing();
            let said = tokio::select! {
                message = socket.stream.next() => self.message(message).await?,
                () = sleep_until(choosing.unwrap_or_else(Instant::now)), if choosing.is_some() => self.parties.begun(),
                item = self.feed.next(), if choosing.is_none() => match item {
                    Item::Events(events) => self.parties.events(&events).await,
                    // These APIs have no word for events that are no longer kept.
                    Item::Gap(..) => Said::default(),
                    Item::Beat if self.heard.elapsed() > self.feed.heartbeat * MISSED_BEATS_MAX => {
                        return Err(Over::Gone);
                    }
                    Item::Beat => {
                        socket.send(vec![Message::Ping(Default::default())]).await?;
                        Said::default()
                    }
                    Item::End(end) => return Err(end.into()),
                },
            };
            say(socket, said).await?;
        }
    }

    /// Something came from the client.
    async fn message(&mut self, message: Option<Result<Message, Error>>) -> Result<Said, Over> {
        const TOO_LARGE: &str = "a message is larger than this gateway takes";
        let message = match message {
            None | Some(Ok(Message::Close(_))) => return Err(Over::Gone),
            // The library tells the cause as text only.
            Some(Err(error)) if error.to_string().contains("too long") => {
                return Err(over(close_code::SIZE, TOO_LARGE));
            }
            Some(Err(_)) => return Err(Over::Gone),
            Some(Ok(message)) => message,
        };
        self.heard = Instant::now();
        match message {
            Message::Text(text) if text.len() > self.frame_bytes_max => Err(over(close_code::SIZE, TOO_LARGE)),
            Message::Text(_) | Message::Binary(_) if !self.counted() => {
                Err(over(close_code::POLICY, "more messages than a client may send in a minute"))
            }
            Message::Text(text) => Ok(self.parties.received(text.as_str()).await),
            Message::Binary(_) => Err(over(close_code::UNSUPPORTED, "messages have to be text")),
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => Ok(Said::default()),
        }
    }

    /// Counts a message; says whether it is within the limit.
    fn counted(&mut self) -> bool {
        let now = Instant::now();
        if now.duration_since(self.window.0) >= WINDOW {
            self.window = (now, 0);
        }
        self.window.1 = self.window.1.saturating_add(1);
        self.window.1 <= self.messages_max
    }
}

/// Sends what was said, and ends the socket if that was all.
async fn say(socket: &mut Socket, said: Said) -> Result<(), Over> {
    let Said { frames, ended } = said;
    if !frames.is_empty() {
        socket.send(frames.into_iter().map(Message::text).collect()).await?;
    }
    ended.map_or(Ok(()), |ended| Err(Over::Ended(ended)))
}
