//! Sending: one message at a time per chat, under the id the core chose before.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use portico_core::device::DeviceState;
use portico_core::error::{Error, Result};
use portico_core::message::Content;
use portico_core::ports::sessions::Outgoing;
use tokio::sync::OwnedMutexGuard;
use whatsapp_rust::waproto::whatsapp::Message;
use whatsapp_rust::{Client, Jid, SendOptions};

use crate::failure;
use crate::session::Session;

/// Encrypts and writes one message, waiting for its chat's turn. Returns once it is on the wire.
pub(crate) async fn send(session: &Session, out: &Outgoing) -> Result<()> {
    let client = session.client().ok_or_else(|| failure::not_ready(DeviceState::Connecting))?;
    if client.pn().is_none() {
        return Err(failure::not_ready(DeviceState::Pairing));
    }
    let to: Jid = out.to.id.parse().map_err(|_| Error::invalid("to", "is not a JID WhatsApp knows"))?;
    let Content::Text { text } = &out.content else {
        let why = format!("sending messages of the kind `{}` is not supported; send text", out.content.kind());
        return Err(Error::Unsupported { why });
    };
    let sent = async {
        let _turn = session.lanes.enter(&out.to.id).await;
        // Asked after the wait: a message written to a socket that is gone would only fail later.
        if !client.is_logged_in() {
            return Err(failure::unreachable("the session is being connected again"));
        }
        store_keys(session, &client).await?;
        let message = Message { conversation: Some(text.clone()), ..Default::default() };
        let options = SendOptions::default().with_message_id(out.whatsapp_id.as_str());
        let written = client.send_message_with_options(to, message, options).await;
        written.map(drop).map_err(|error| failure::of_send(&error))
    };
    let timed = tokio::time::timeout(session.context.limits.send_timeout, sent).await;
    timed.unwrap_or_else(|_| Err(failure::unreachable("writing the message took too long")))
}

/// Has the library's keys stored if a message came in since.
///
/// The first answer of a turn in the conversation is sent under a new ratchet key, made when the other side's message was
/// decrypted. The library stores it up to 25 ms later; if the process dies in between, it can't read what comes back, and
/// the other side has to send it again.
async fn store_keys(session: &Session, client: &Client) -> Result<()> {
    if !session.heard.swap(false, Ordering::AcqRel) {
        return Ok(());
    }
    let unless_stored = Heard(Some(&session.heard));
    let stored = client.flush_pending_signal_state().await;
    stored.map_err(|_| failure::unreachable("the session's keys could not be stored"))?;
    unless_stored.forget();
    Ok(())
}

/// Sets the flag again when storing failed or was given up.
struct Heard<'a>(Option<&'a AtomicBool>);

impl Heard<'_> {
    fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for Heard<'_> {
    fn drop(&mut self) {
        if let Some(heard) = self.0 {
            heard.store(true, Ordering::Release);
        }
    }
}

type Lane = Arc<tokio::sync::Mutex<()>>;

/// The turn-taking of chats. Holds an entry only for chats somebody sends to right now.
#[derive(Clone, Default)]
pub(crate) struct Lanes(Arc<Mutex<HashMap<String, Lane>>>);

impl Lanes {
    /// Waits for the chat's turn; it ends when the answer is dropped. Turns come in the order of asking.
    pub(crate) async fn enter(&self, chat: &str) -> DeviceLock {
        let lane = Arc::clone(self.lock().entry(chat.to_owned()).or_default());
        // Made before the wait, so that a caller who gives up waiting leaves no entry behind.
        let mut turn = DeviceLock { lanes: self.clone(), chat: chat.to_owned(), held: None };
        turn.held = Some(lane.lock_owned().await);
        turn
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Lane>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One chat's turn.
pub(crate) struct DeviceLock {
    lanes: Lanes,
    chat: String,
    held: Option<OwnedMutexGuard<()>>,
}

impl Drop for DeviceLock {
    fn drop(&mut self) {
        let mut lanes = self.lanes.lock();
        self.held = None;
        // Only the table itself knows the lane any more: nobody waits.
        if lanes.get(&self.chat).is_some_and(|lane| Arc::strong_count(lane) == 1) {
            lanes.remove(&self.chat);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn one_turn_per_chat_at_a_time_and_no_entry_left() {
        let lanes = Lanes::default();
        let first = lanes.enter("a").await;
        assert!(lanes.enter("a").now_or_never().is_none(), "the chat is taken");
        let other = lanes.enter("b").now_or_never().expect("another chat is free");
        drop(first);
        let again = lanes.enter("a").now_or_never().expect("the turn is over");
        drop((other, again));
        assert!(lanes.lock().is_empty());
    }
}
