//! Files of messages: out of the blob store to WhatsApp's media host, and back.
//!
//! WhatsApp's hosts keep files encrypted under a key that travels in the message. Encrypting and decrypting go through a file
//! without a name in the staging folder, because the library reads what it uploads more than once and can tell only at the end
//! whether what it downloaded is genuine. Invariants: no file is ever in memory as a whole; nothing that was not checked to its
//! end leaves this module; keys of files leave this crate sealed.

pub(crate) mod fetch;
pub(crate) mod picture;
pub(crate) mod preview;
pub(crate) mod remote;
mod stage;
pub(crate) mod upload;

use portico_core::media::MediaKind;
use whatsapp_rust::download::MediaType;

/// How the library calls what a file is encrypted as.
fn media_type(kind: MediaKind) -> MediaType {
    match kind {
        MediaKind::Image => MediaType::Image,
        MediaKind::Video | MediaKind::VideoNote => MediaType::Video,
        MediaKind::Audio | MediaKind::Voice => MediaType::Audio,
        MediaKind::Document => MediaType::Document,
        MediaKind::Sticker => MediaType::Sticker,
    }
}
