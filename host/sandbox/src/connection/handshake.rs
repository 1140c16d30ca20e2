//! The responder's side of the Noise handshake: XX, IK, and XXfallback for an IK hello to a key we no longer have.
//!
//! Patterns, transcripts and which fields a server hello carries are those the client library's initiator expects.

use std::sync::atomic::Ordering;

use axum::extract::ws::{Message, WebSocket};
use bytes::Bytes;
use futures_util::SinkExt;
use futures_util::stream::SplitSink;
use whatsapp_rust::buffa::{Message as _, MessageField};
use whatsapp_rust::wacore::framing::encode_frame;
use whatsapp_rust::wacore::handshake::NoiseHandshake;
use whatsapp_rust::wacore::libsignal::protocol::KeyPair;
use whatsapp_rust::wacore::noise::NoiseCipher;
use whatsapp_rust::wacore_binary::consts::{
    NOISE_PATTERN_IK, NOISE_PATTERN_XX, NOISE_PATTERN_XXFALLBACK, WA_CONN_HEADER,
};
use whatsapp_rust::waproto::whatsapp as wa;
use whatsapp_rust::waproto::whatsapp::handshake_message::ServerHello;

use super::Ended;
use super::frames::Frames;
use crate::identity::{key_pair, public_bytes};
use crate::network::Network;
use crate::trust::Trust;

/// A connection after the handshake.
pub(super) struct Secured {
    /// Opens what the client writes.
    pub(super) inbound: NoiseCipher,
    /// Seals what the client reads.
    pub(super) outbound: NoiseCipher,
    /// The client's proven static key: it authenticates the device.
    pub(super) client_static: [u8; 32],
    /// What the client says about itself.
    pub(super) payload: wa::ClientPayload,
}

type Sink = SplitSink<WebSocket, Message>;

fn failed(error: impl std::fmt::Display) -> Ended {
    Ended::Handshake(error.to_string())
}

/// A transcript whose IK part has been read: the server's answer may follow.
struct Resumed {
    noise: NoiseHandshake,
    client_static: [u8; 32],
    payload: Vec<u8>,
}

/// Answers one client's handshake and counts which kind it was.
pub(super) async fn respond(network: &Network, sink: &mut Sink, frames: &mut Frames) -> Result<Secured, Ended> {
    let (trust, counters) = (&network.trust, &network.counters);
    let frame = frames.next().await?;
    let hello = wa::HandshakeMessage::decode_from_slice(&frame)
        .map_err(failed)?
        .client_hello
        .into_option()
        .ok_or(Ended::Malformed("no client hello"))?;
    let theirs: [u8; 32] =
        hello.ephemeral.and_then(|key| key.try_into().ok()).ok_or(Ended::Malformed("no ephemeral key"))?;
    let (secured, counter) = match (hello.r#static, hello.payload) {
        (Some(client_static), Some(payload)) => match read_ik(trust, &theirs, &client_static, &payload) {
            Ok(resumed) => (finish_ik(trust, sink, &theirs, resumed).await?, &counters.handshakes_resumed),
            // The client remembers another server key. Showing ours in the answer makes it fall back.
            Err(_) => {
                let secured = full(trust, sink, frames, &theirs, NOISE_PATTERN_XXFALLBACK).await?;
                (secured, &counters.handshakes_fallback)
            }
        },
        _ => (full(trust, sink, frames, &theirs, NOISE_PATTERN_XX).await?, &counters.handshakes_full),
    };
    counter.fetch_add(1, Ordering::Relaxed);
    Ok(secured)
}

fn read_ik(trust: &Trust, theirs: &[u8; 32], client_static: &[u8], payload: &[u8]) -> Result<Resumed, Ended> {
    let server = trust.server();
    let mut noise = NoiseHandshake::new(NOISE_PATTERN_IK, &WA_CONN_HEADER).map_err(failed)?;
    noise.authenticate(&public_bytes(server));
    noise.authenticate(theirs);
    mix(&mut noise, server, theirs)?;
    let client_static: [u8; 32] =
        noise.decrypt(client_static).map_err(failed)?.try_into().map_err(|_| Ended::Malformed("static key"))?;
    mix(&mut noise, server, &client_static)?;
    let payload = noise.decrypt(payload).map_err(failed)?;
    Ok(Resumed { noise, client_static, payload })
}

async fn finish_ik(trust: &Trust, sink: &mut Sink, theirs: &[u8; 32], resumed: Resumed) -> Result<Secured, Ended> {
    let Resumed { mut noise, client_static, payload } = resumed;
    let ephemeral = key_pair();
    noise.authenticate(&public_bytes(&ephemeral));
    mix(&mut noise, &ephemeral, theirs)?;
    mix(&mut noise, &ephemeral, &client_static)?;
    let chain = noise.encrypt(trust.chain()).map_err(failed)?;
    say(sink, &ephemeral, None, chain).await?;
    secured(noise, client_static, &payload)
}

/// XX, or XXfallback over the ephemeral key of a failed IK hello: the same steps under another name.
async fn full(
    trust: &Trust,
    sink: &mut Sink,
    frames: &mut Frames,
    theirs: &[u8; 32],
    pattern: &str,
) -> Result<Secured, Ended> {
    let (server, ephemeral) = (trust.server(), key_pair());
    let mut noise = NoiseHandshake::new(pattern, &WA_CONN_HEADER).map_err(failed)?;
    noise.authenticate(theirs);
    noise.authenticate(&public_bytes(&ephemeral));
    mix(&mut noise, &ephemeral, theirs)?;
    let shown = noise.encrypt(&public_bytes(server)).map_err(failed)?;
    mix(&mut noise, server, theirs)?;
    let chain = noise.encrypt(trust.chain()).map_err(failed)?;
    say(sink, &ephemeral, Some(shown), chain).await?;
    let frame = frames.next().await?;
    let finish = wa::HandshakeMessage::decode_from_slice(&frame)
        .map_err(failed)?
        .client_finish
        .into_option()
        .ok_or(Ended::Malformed("no client finish"))?;
    let client_static: [u8; 32] = noise
        .decrypt(&finish.r#static.unwrap_or_default())
        .map_err(failed)?
        .try_into()
        .map_err(|_| Ended::Malformed("static key"))?;
    mix(&mut noise, &ephemeral, &client_static)?;
    let payload = noise.decrypt(&finish.payload.unwrap_or_default()).map_err(failed)?;
    secured(noise, client_static, &payload)
}

fn mix(noise: &mut NoiseHandshake, ours: &KeyPair, theirs: &[u8; 32]) -> Result<(), Ended> {
    noise.mix_shared_secret(ours.private_key.serialize(), theirs).map_err(failed)
}

async fn say(sink: &mut Sink, ephemeral: &KeyPair, shown: Option<Vec<u8>>, chain: Vec<u8>) -> Result<(), Ended> {
    let hello = wa::HandshakeMessage {
        server_hello: MessageField::some(ServerHello {
            ephemeral: Some(public_bytes(ephemeral).to_vec()),
            r#static: shown,
            payload: Some(chain),
            ..Default::default()
        }),
        ..Default::default()
    };
    let frame = encode_frame(&hello.encode_to_vec(), None).map_err(failed)?;
    Ok(sink.send(Message::Binary(Bytes::from(frame))).await?)
}

fn secured(noise: NoiseHandshake, client_static: [u8; 32], payload: &[u8]) -> Result<Secured, Ended> {
    // The initiator's writing key comes first.
    let (inbound, outbound) = noise.finish().map_err(failed)?;
    let payload = wa::ClientPayload::decode_from_slice(payload).map_err(failed)?;
    Ok(Secured { inbound, outbound, client_static, payload })
}
