//! Cutting the byte stream into frames: an optional edge-routing intro, the prologue, then 3-byte lengths.
//!
//! A WebSocket message may hold several frames and a frame may span messages (seen with both known clients).

use axum::extract::ws::{Message, WebSocket};
use bytes::BytesMut;
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use whatsapp_rust::wacore_binary::consts::WA_CONN_HEADER;

use super::Ended;

/// The intro that routes a connection inside the real network; the sandbox skips it.
const EDGE_ROUTING: &[u8] = b"ED\x00\x01";
/// Bytes of a length prefix.
const LENGTH: usize = 3;

/// The incoming frames of one connection.
pub(super) struct Frames {
    stream: SplitStream<WebSocket>,
    buffer: BytesMut,
    begun: bool,
}

impl Frames {
    pub(super) fn new(stream: SplitStream<WebSocket>) -> Self {
        Self { stream, buffer: BytesMut::new(), begun: false }
    }

    /// The next whole frame, without its length.
    pub(super) async fn next(&mut self) -> Result<BytesMut, Ended> {
        loop {
            if !self.begun {
                self.begun = skip_prologue(&mut self.buffer)?;
            }
            if self.begun
                && let Some(frame) = split_frame(&mut self.buffer)
            {
                return Ok(frame);
            }
            match self.stream.next().await {
                Some(Ok(Message::Binary(bytes))) => self.buffer.extend_from_slice(&bytes),
                Some(Ok(Message::Close(_))) | None => return Err(Ended::Closed),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Ended::Transport(error)),
            }
        }
    }
}

fn length(buffer: &[u8]) -> Option<usize> {
    let bytes: [u8; LENGTH] = buffer.get(..LENGTH)?.try_into().ok()?;
    Some(bytes.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte)))
}

fn split_frame(buffer: &mut BytesMut) -> Option<BytesMut> {
    let whole = LENGTH + length(buffer)?;
    if buffer.len() < whole {
        return None;
    }
    let mut frame = buffer.split_to(whole);
    Some(frame.split_off(LENGTH))
}

/// Consumes intro and prologue; false when more bytes are needed.
fn skip_prologue(buffer: &mut BytesMut) -> Result<bool, Ended> {
    if buffer.starts_with(EDGE_ROUTING) {
        let Some(intro) = buffer.get(EDGE_ROUTING.len()..).and_then(length) else {
            return Ok(false);
        };
        let whole = EDGE_ROUTING.len() + LENGTH + intro;
        if buffer.len() < whole {
            return Ok(false);
        }
        let _ = buffer.split_to(whole);
    }
    if buffer.len() < WA_CONN_HEADER.len() {
        return Ok(false);
    }
    if !buffer.starts_with(&WA_CONN_HEADER) {
        return Err(Ended::Malformed("prologue"));
    }
    let _ = buffer.split_to(WA_CONN_HEADER.len());
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_follow_an_optional_intro_and_the_prologue() {
        let mut buffer = BytesMut::from(&b"ED\x00\x01\x00\x00\x02xxWA\x06\x03\x00\x00\x01a\x00\x00"[..]);
        assert!(matches!(skip_prologue(&mut buffer), Ok(true)));
        assert_eq!(split_frame(&mut buffer).as_deref(), Some(&b"a"[..]));
        assert_eq!(split_frame(&mut buffer), None);
    }

    #[test]
    fn another_protocol_is_refused() {
        assert!(skip_prologue(&mut BytesMut::from(&b"GET / HTTP/1.1"[..])).is_err());
    }
}
