//! What tests and the admin API hold of a phone.

use std::sync::Arc;
use std::time::Duration;

use whatsapp_rust::buffa::Message as _;
use whatsapp_rust::waproto::whatsapp as wa;

use super::companions::unlink;
use super::content::{Around, Written};
use super::event::PhoneEvent;
use super::inbox::{InboxEntry, SentRecord};
use super::media::{self, Media};
use super::send::{Chat, Outgoing, send};
use crate::Error;
use crate::account::{Account, PHONE};
use crate::network::Network;
use crate::pairing::{Paired, code, qr};

/// A virtual phone. Cheap to clone; clones are the same phone and share `next_text`'s place.
#[derive(Clone)]
pub struct Phone {
    pub(super) network: Arc<Network>,
    pub(super) account: Arc<Account>,
}

impl Phone {
    pub(crate) fn new(network: Arc<Network>, account: Arc<Account>) -> Self {
        Self { network, account }
    }

    /// The phone number, digits only.
    pub fn number(&self) -> &str {
        &self.account.pn
    }

    /// The LID, digits only.
    pub fn lid(&self) -> &str {
        &self.account.lid
    }

    /// The JID by phone number, without device.
    pub fn jid(&self) -> String {
        self.account.pn_jid(PHONE).to_string()
    }

    /// The push name.
    pub fn name(&self) -> String {
        self.account.name()
    }

    /// Scans the QR text a client shows and waits until the client is linked.
    ///
    /// # Errors
    /// [`Error::InvalidQr`], [`Error::StaleQr`], [`Error::PairingFailed`], [`Error::Timeout`].
    pub async fn scan_qr(&self, text: &str) -> Result<Paired, Error> {
        qr::scan(&self.network, &self.account, text).await
    }

    /// Types the pairing code a client shows for this number and waits until the client is linked.
    ///
    /// # Errors
    /// [`Error::NoPendingCode`], [`Error::WrongCode`], [`Error::PairingFailed`], [`Error::Timeout`].
    pub async fn enter_code(&self, code: &str) -> Result<Paired, Error> {
        code::enter(&self.network, &self.account, code).await
    }

    /// Unlinks a device; false when there is none of this number.
    pub fn unlink(&self, device: u16) -> bool {
        unlink(&self.network, &self.account, device)
    }

    pub(super) fn recipient(&self, to: &str) -> Result<Arc<Account>, Error> {
        self.network.directory.find_text(to).ok_or(Error::UnknownRecipient)
    }

    /// The chat a number, a user's JID or a group's JID names.
    pub(super) fn chat_for(&self, to: &str) -> Result<Chat, Error> {
        match self.group(to) {
            Ok(group) => Ok(Chat::Group(group)),
            Err(_) => Ok(Chat::User(self.recipient(to)?)),
        }
    }

    /// Sends a text to a number or JID, also a group's; the message id.
    ///
    /// # Errors
    /// [`Error::UnknownRecipient`], [`Error::PhoneOffline`], [`Error::Signal`].
    pub async fn send_text(&self, to: &str, text: &str) -> Result<String, Error> {
        let to = self.chat_for(to)?;
        let message = wa::Message { conversation: Some(text.to_owned()), ..Default::default() };
        let outgoing = Outgoing { message, kind: "text", text: Some(text.to_owned()) };
        send(&self.network, &self.account, &to, outgoing).await
    }

    /// Sends a text with something around it: an answer, mentions, an advertisement.
    ///
    /// # Errors
    /// As [`Phone::send_text`].
    pub async fn send_text_with(&self, to: &str, text: &str, around: &Around) -> Result<String, Error> {
        let to = self.chat_for(to)?;
        let outgoing = Outgoing { message: around.text(text), kind: "text", text: Some(text.to_owned()) };
        send(&self.network, &self.account, &to, outgoing).await
    }

    /// Sends a place, a card or a poll.
    ///
    /// # Errors
    /// As [`Phone::send_text`].
    pub async fn send_content(&self, to: &str, content: &Written) -> Result<String, Error> {
        let to = self.chat_for(to)?;
        let (kind, text, message) = content.message();
        send(&self.network, &self.account, &to, Outgoing { message, kind, text }).await
    }

    /// Encrypts a file, puts it on the media host and sends it; the message id.
    ///
    /// # Errors
    /// As [`Phone::send_text`], and [`Error::Media`].
    pub async fn send_media(&self, to: &str, media: Media) -> Result<String, Error> {
        let to = self.chat_for(to)?;
        let (network, kind, text) = (Arc::clone(&self.network), media.kind.word(), media.caption.clone());
        let message = tokio::task::spawn_blocking(move || media::upload(&network.media, &media))
            .await
            .map_err(|_| Error::Invalid { why: "the sandbox is stopping" })??;
        send(&self.network, &self.account, &to, Outgoing { message, kind, text }).await
    }

    /// Waits until every connected device of a chat has room for more, so that a burst cuts no connection.
    pub async fn wait_for_room(&self, to: &str, patience: Duration) {
        let Some(to) = self.network.directory.find_text(to) else {
            return;
        };
        let half = self.network.limits.outgoing_max / 2;
        for device in to.device_numbers() {
            let outgoing = to.with_device(device, |device| device.mailbox.live_outgoing()).flatten();
            if let Some(outgoing) = outgoing.filter(|outgoing| outgoing.capacity() < half) {
                // A device that stays slow, or goes, is the queue's business.
                let _ = tokio::time::timeout(patience, outgoing.reserve_many(half)).await;
            }
        }
    }

    /// Waits for the next received text this phone has not handed out yet.
    ///
    /// # Errors
    /// [`Error::Timeout`] after the limit `next_text_timeout`.
    pub async fn next_text(&self) -> Result<String, Error> {
        let entry = self.next_message().await?;
        Ok(entry.text.unwrap_or_default())
    }

    /// As [`Phone::next_text`], with all that is known about the message.
    ///
    /// # Errors
    /// [`Error::Timeout`] after the limit `next_text_timeout`.
    pub async fn next_message(&self) -> Result<InboxEntry, Error> {
        let mut newest = self.account.phone.newest.subscribe();
        let waited = self.network.limits.next_text_timeout;
        let next = async {
            loop {
                newest.mark_unchanged();
                if let Some(entry) = self.account.phone.with_log(|log| log.next_text()) {
                    return Some(entry);
                }
                newest.changed().await.ok()?;
            }
        };
        let next = tokio::time::timeout(waited, next).await.ok().flatten();
        let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
        next.ok_or(Error::Timeout { what: "a text", waited_ms })
    }

    /// The inbox after an event number, oldest first.
    pub fn inbox(&self, after: u64, limit: usize) -> Vec<InboxEntry> {
        self.account.phone.with_log(|log| log.inbox(after, limit))
    }

    /// One inbox message, and all of it in the protocol's names; fields that are not set are left out.
    ///
    /// # Errors
    /// [`Error::UnknownMessage`].
    pub fn message(&self, id: &str) -> Result<(InboxEntry, serde_json::Value), Error> {
        let found = self.account.phone.with_log(|log| Some((log.find_entry(id)?, log.find_message(id)?)));
        let (entry, bytes) = found.ok_or(Error::UnknownMessage)?;
        let content =
            wa::Message::decode_from_slice(&bytes).ok().and_then(|message| serde_json::to_value(message).ok());
        Ok((entry, content.map(super::app_state::bare).unwrap_or_default()))
    }

    /// What became of everything sent, oldest first.
    pub fn sent(&self) -> Vec<SentRecord> {
        self.account.phone.with_log(|log| log.sent())
    }

    /// What became of one sent message.
    pub fn sent_record(&self, id: &str) -> Option<SentRecord> {
        self.account.phone.with_log(|log| log.find_sent(id).map(|sent| sent.record.clone()))
    }

    /// How many messages came with an id that had been shown before.
    pub fn duplicates(&self) -> u64 {
        self.account.phone.with_log(|log| log.duplicates)
    }

    /// Events after a number, oldest first.
    pub fn events(&self, after: u64, limit: usize) -> Vec<PhoneEvent> {
        self.account.phone.with_log(|log| log.events(after, limit))
    }

    /// Waits until there is an event after this number; false when the sandbox stopped.
    pub async fn has_event_after(&self, after: u64) -> bool {
        let mut newest = self.account.phone.newest.subscribe();
        tokio::select! {
            () = self.network.stop.cancelled() => false,
            found = newest.wait_for(|newest| *newest > after) => found.is_ok(),
        }
    }

    /// Waits until a condition on this phone holds, looking again after each event.
    ///
    /// # Errors
    /// [`Error::Timeout`] after the limit `next_text_timeout`.
    pub async fn wait_until(&self, what: &'static str, holds: impl Fn(&Self) -> bool) -> Result<(), Error> {
        let mut newest = self.account.phone.newest.subscribe();
        let waited = self.network.limits.next_text_timeout;
        let waiting = async {
            loop {
                newest.mark_unchanged();
                if holds(self) || newest.changed().await.is_err() {
                    return;
                }
            }
        };
        let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
        tokio::time::timeout(waited, waiting).await.map_err(|_| Error::Timeout { what, waited_ms })
    }

    /// Downloads and decrypts the media of an inbox message.
    ///
    /// # Errors
    /// [`Error::UnknownMedia`], [`Error::Media`].
    pub async fn download(&self, id: &str) -> Result<Vec<u8>, Error> {
        let media = self.account.phone.with_log(|log| log.find_media(id)).ok_or(Error::UnknownMedia)?;
        let network = Arc::clone(&self.network);
        tokio::task::spawn_blocking(move || media::download(&network.media, &media))
            .await
            .map_err(|_| Error::Invalid { why: "the sandbox is stopping" })?
    }
}
