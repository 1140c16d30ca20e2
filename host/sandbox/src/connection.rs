//! One client connection, from the WebSocket upgrade to its end.
//!
//! Leaves the Noise handshake to [`handshake`], framing to [`frames`], who may log in to [`session`] and the meaning
//! of requests to [`crate::iq`]. Invariant: whatever ends the connection, its device is detached and hidden.

mod frames;
mod handshake;
mod session;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::ws::{Message, WebSocket};
use bytes::Bytes;
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use whatsapp_rust::wacore::framing::append_frame_into;
use whatsapp_rust::wacore::noise::NoiseCipher;
use whatsapp_rust::wacore_binary::marshal::marshal;
use whatsapp_rust::wacore_binary::{Node, OwnedNodeRef, util::unpack_bytes};

use crate::clock::now_s;
use crate::faults::{self, Effect, Place, Victim};
use crate::network::Network;
use crate::relay::{self, Author, presence, receipt};
use crate::stanza::attr_or_empty;
use frames::Frames;
use handshake::Secured;
pub(crate) use session::{Session, Standing};

/// How many bytes the writer gathers into one WebSocket message.
const WRITE_BATCH_BYTES: usize = 64 * 1024;

/// Why a connection ended. Logged once, without anything a client said.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error("the client closed")]
    Closed,
    #[error("the server closed")]
    Cut,
    #[error("nothing arrived in time")]
    Silent,
    #[error("the transport failed")]
    Transport(#[from] axum::Error),
    #[error("malformed: {0}")]
    Malformed(&'static str),
    #[error("the handshake failed: {0}")]
    Handshake(String),
}

/// Serves one upgraded connection until it ends.
pub(crate) async fn serve(network: Arc<Network>, socket: WebSocket) {
    network.counters.connections.fetch_add(1, Ordering::Relaxed);
    let cut = network.stop.child_token();
    let ended = run(&network, socket, &cut).await;
    cut.cancel();
    network.counters.connections.fetch_sub(1, Ordering::Relaxed);
    tracing::debug!(reason = %ended, "sandbox connection ended");
}

async fn run(network: &Arc<Network>, socket: WebSocket, cut: &CancellationToken) -> Ended {
    let (mut sink, stream) = socket.split();
    let mut frames = Frames::new(stream);
    let shaken = tokio::select! {
        () = cut.cancelled() => return Ended::Cut,
        shaken = tokio::time::timeout(
            network.limits.handshake_timeout,
            handshake::respond(network, &mut sink, &mut frames),
        ) => shaken,
    };
    let Secured { inbound, outbound, client_static, payload } = match shaken {
        Ok(Ok(secured)) => secured,
        Ok(Err(ended)) => return ended,
        Err(_) => return Ended::Silent,
    };
    let (outgoing, to_write) = mpsc::channel(network.limits.outgoing_max);
    let writer = tokio::spawn(write(sink, outbound, to_write, cut.clone()));
    let mut session = Session::open(network, outgoing, cut.clone(), client_static, payload).await;
    let ended = match &mut session {
        Some(session) => read(network, session, &mut frames, &inbound, cut).await,
        None => Ended::Malformed("client payload"),
    };
    if let Some(session) = session {
        session.close(network);
    }
    // The writer ends the reading side after it wrote a stream error.
    cut.cancel();
    if writer.await.is_err() {
        tracing::warn!("sandbox writer panicked");
    }
    ended
}

async fn read(
    network: &Arc<Network>,
    session: &mut Session,
    frames: &mut Frames,
    inbound: &NoiseCipher,
    cut: &CancellationToken,
) -> Ended {
    for counter in 0u32.. {
        let frame = tokio::select! {
            () = cut.cancelled() => return Ended::Cut,
            frame = tokio::time::timeout(network.limits.idle_timeout, frames.next()) => frame,
        };
        let mut frame = match frame {
            Ok(Ok(frame)) => frame,
            Ok(Err(ended)) => return ended,
            Err(_) => return Ended::Silent,
        };
        if inbound.decrypt_in_place_with_counter(counter, &mut frame).is_err() {
            return Ended::Malformed("ciphertext");
        }
        let Ok(node) = unpack_bytes(frame).and_then(OwnedNodeRef::new) else {
            return Ended::Malformed("stanza");
        };
        if handle(network, session, &node.to_owned_node()).await.is_err() {
            return Ended::Cut;
        }
    }
    Ended::Malformed("counter exhausted")
}

/// Handles one stanza; an error means the connection cannot be written to any more.
async fn handle(network: &Arc<Network>, session: &mut Session, node: &Node) -> Result<(), Ended> {
    if node.tag == "iq" {
        return crate::iq::handle(network, session, node).await;
    }
    let Standing::Device(author) = &session.standing else {
        return Ok(());
    };
    let author: Author = author.clone();
    match node.tag.as_ref() {
        "message" => take_message(network, session, &author, node).await,
        "receipt" => session.send(receipt::receipt(network, &author, node)).await,
        "ack" => {
            relay::acknowledged(network, &author, node);
            Ok(())
        }
        "presence" => {
            presence::presence(network, &author, node);
            Ok(())
        }
        "chatstate" => {
            presence::chat_state(network, &author, node);
            Ok(())
        }
        "call" => session.send(crate::stanza::ack(node, "call").build()).await,
        // Statistics of the client; nothing is expected back.
        "ib" => Ok(()),
        _ => {
            tracing::debug!(tag = %node.tag, id = %attr_or_empty(node, "id"), "sandbox ignores an unknown stanza");
            Ok(())
        }
    }
}

/// Takes a message from a client, or does to it what a fault says.
async fn take_message(network: &Arc<Network>, session: &Session, author: &Author, node: &Node) -> Result<(), Ended> {
    let victim = Victim { phone: &author.account.pn, device: author.device, of: "message" };
    match faults::delayed(network.faults.strike(Place::Send, victim)).await {
        Some(Effect::Drop) => Ok(()),
        Some(Effect::Refuse(code)) => {
            session.send(crate::stanza::ack(node, "message").attr("t", now_s()).attr("error", code).build()).await
        }
        Some(Effect::Duplicate) => {
            session.send(relay::message(network, author, node)).await?;
            session.send(relay::message(network, author, node)).await
        }
        _ => session.send(relay::message(network, author, node)).await,
    }
}

/// Encrypts and writes until the senders are gone, the connection is cut, or a stream error has been written.
async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    cipher: NoiseCipher,
    mut stanzas: mpsc::Receiver<Arc<Node>>,
    cut: CancellationToken,
) {
    let mut counter = 0;
    let mut last = false;
    while !last {
        let first = tokio::select! {
            () = cut.cancelled() => break,
            first = stanzas.recv() => first,
        };
        let Some(first) = first else { break };
        let mut bytes = Vec::new();
        let mut next = Some(first);
        while let Some(node) = next {
            last = node.tag == "stream:error" || node.tag == "failure";
            if !append(&mut bytes, &cipher, counter, &node) {
                tracing::warn!(tag = %node.tag, "sandbox could not encode a stanza");
            } else {
                counter += 1;
            }
            next = (!last && bytes.len() < WRITE_BATCH_BYTES).then(|| stanzas.try_recv().ok()).flatten();
        }
        let written = tokio::select! {
            () = cut.cancelled() => break,
            written = sink.send(Message::Binary(Bytes::from(bytes))) => written,
        };
        if written.is_err() {
            break;
        }
    }
    // Closing fails when the client is gone already, which is fine here.
    let _ = sink.close().await;
    cut.cancel();
}

fn append(bytes: &mut Vec<u8>, cipher: &NoiseCipher, counter: u32, node: &Node) -> bool {
    let Ok(plain) = marshal(node) else { return false };
    let Ok(sealed) = cipher.encrypt_with_counter(counter, &plain) else {
        return false;
    };
    append_frame_into(&sealed, None, bytes).is_ok()
}
