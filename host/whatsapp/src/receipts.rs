//! What the account does with messages without sending any: telling authors that theirs were read or played, and starring.

use portico_core::address::{ChatKind, Party};
use portico_core::device::DeviceState;
use portico_core::error::{Error, Result};
use portico_core::message::Target;
use portico_core::ports::whatsapp::{ReceiptKind, SentReceipt};
use whatsapp_rust::Jid;

use crate::failure;
use crate::session::Session;

/// Writes a receipt. Returns once it is on the wire; the server acknowledges it to the library.
pub(crate) async fn send(session: &Session, receipt: &SentReceipt) -> Result<()> {
    let client = session.client().ok_or_else(|| failure::not_ready(DeviceState::Connecting))?;
    if !client.is_logged_in() {
        return Err(failure::unreachable("the session is being connected again"));
    }
    let jid = |text: &str| text.parse::<Jid>().map_err(|_| Error::internal("telling of a message", "a JID is none"));
    let chat = jid(&receipt.chat.id)?;
    // Only in groups does the chat not say who wrote it.
    let author = match receipt.chat.kind() {
        ChatKind::Direct => None,
        _ => Some(jid(receipt.author.lid.as_deref().unwrap_or(&receipt.author.id))?),
    };
    let ids = [receipt.whatsapp_id.as_str()];
    let sent = match receipt.kind {
        ReceiptKind::Played => client.mark_as_played(&chat, author.as_ref(), &ids).await,
        ReceiptKind::Read | ReceiptKind::Delivered => client.mark_as_read(&chat, author.as_ref(), &ids).await,
    };
    sent.map_err(|_| failure::unreachable("the receipt could not be written"))
}

/// Stars a message, or takes the star away. Returns when WhatsApp's server has it.
pub(crate) async fn star(session: &Session, chat: &Party, of: &Target, starred: bool) -> Result<()> {
    let client = session.client().ok_or_else(|| failure::not_ready(DeviceState::Connecting))?;
    if !client.is_logged_in() {
        return Err(failure::unreachable("the session is being connected again"));
    }
    let jid = |text: &str| text.parse::<Jid>().map_err(|_| Error::internal("starring a message", "a JID is none"));
    let jids = (jid(&chat.id)?, of.author.as_ref().filter(|_| chat.kind() != ChatKind::Direct));
    let author = jids.1.map(|author| jid(&author.id)).transpose()?;
    let (id, from_me, actions) = (of.whatsapp_id.as_str(), of.author.is_none(), client.chat_actions());
    let done = if starred {
        actions.star_message(&jids.0, author.as_ref(), id, from_me).await
    } else {
        actions.unstar_message(&jids.0, author.as_ref(), id, from_me).await
    };
    done.map_err(|_| failure::unreachable("WhatsApp did not take the star"))
}
