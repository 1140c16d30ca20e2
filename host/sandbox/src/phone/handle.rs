//! What tests and the admin API hold of a phone.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::wacore_binary::{Jid, Node};
use whatsapp_rust::waproto::whatsapp as wa;

use super::companions::unlink;
use super::event::{PhoneEvent, Presence, Typing};
use super::inbox::{InboxEntry, SentRecord};
use super::media::{self, Media};
use super::send::{Outgoing, send};
use super::signal::address;
use crate::Error;
use crate::account::{Account, PHONE};
use crate::network::Network;
use crate::pairing::{Paired, code, qr};
use crate::relay::{Author, presence, receipt};

/// A virtual phone. Cheap to clone; clones are the same phone and share `next_text`'s place.
#[derive(Clone)]
pub struct Phone {
    network: Arc<Network>,
    account: Arc<Account>,
}

/// What the server knows of one linked device.
#[derive(Debug, Clone, Serialize)]
pub struct DeviceReport {
    /// Its number; 0 is the phone.
    pub device: u16,
    /// Whether it is connected.
    pub connected: bool,
    /// Whether it shows itself.
    pub available: bool,
    /// Stanzas waiting for its acknowledgement.
    pub queued: usize,
    /// Stanzas lost to the queue's limit.
    pub dropped: u64,
    /// One-time keys the server has of it.
    pub one_time_keys: usize,
    /// Messages it handed to the server.
    pub messages_in: u64,
    /// Messages queued for it.
    pub messages_out: u64,
    /// Queued stanzas it acknowledged.
    pub acknowledged: u64,
    /// Messages it asked for again.
    pub retries: u64,
    /// How often it logged in.
    pub logins: u64,
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

    fn recipient(&self, to: &str) -> Result<Arc<Account>, Error> {
        self.network
            .directory
            .find_text(to)
            .ok_or(Error::UnknownRecipient)
    }

    /// Sends a text to a number or JID; the message id.
    ///
    /// # Errors
    /// [`Error::UnknownRecipient`], [`Error::PhoneOffline`], [`Error::Signal`].
    pub async fn send_text(&self, to: &str, text: &str) -> Result<String, Error> {
        let to = self.recipient(to)?;
        let message = wa::Message {
            conversation: Some(text.to_owned()),
            ..Default::default()
        };
        let outgoing = Outgoing {
            message,
            kind: "text",
            text: Some(text.to_owned()),
        };
        send(&self.network, &self.account, &to, outgoing).await
    }

    /// Encrypts a file, puts it on the media host and sends it; the message id.
    ///
    /// # Errors
    /// As [`Phone::send_text`], and [`Error::Media`].
    pub async fn send_media(&self, to: &str, media: Media) -> Result<String, Error> {
        let to = self.recipient(to)?;
        let (network, kind, text) = (
            Arc::clone(&self.network),
            media.kind.word(),
            media.caption.clone(),
        );
        let message = tokio::task::spawn_blocking(move || media::upload(&network.media, &media))
            .await
            .map_err(|_| Error::Invalid {
                why: "the sandbox is stopping",
            })??;
        send(
            &self.network,
            &self.account,
            &to,
            Outgoing { message, kind, text },
        )
        .await
    }

    /// Waits until every connected device of a chat has room for more, so that a burst cuts no connection.
    pub async fn wait_for_room(&self, to: &str, patience: Duration) {
        let Some(to) = self.network.directory.find_text(to) else {
            return;
        };
        let half = self.network.limits.outgoing_max / 2;
        for device in to.device_numbers() {
            let outgoing = to
                .with_device(device, |device| device.mailbox.live_outgoing())
                .flatten();
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
        next.ok_or(Error::Timeout {
            what: "a text",
            waited_ms,
        })
    }

    /// The inbox after an event number, oldest first.
    pub fn inbox(&self, after: u64, limit: usize) -> Vec<InboxEntry> {
        self.account.phone.with_log(|log| log.inbox(after, limit))
    }

    /// What became of everything sent, oldest first.
    pub fn sent(&self) -> Vec<SentRecord> {
        self.account.phone.with_log(|log| log.sent())
    }

    /// What became of one sent message.
    pub fn sent_record(&self, id: &str) -> Option<SentRecord> {
        self.account
            .phone
            .with_log(|log| log.find_sent(id).map(|sent| sent.record.clone()))
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
        tokio::time::timeout(waited, waiting)
            .await
            .map_err(|_| Error::Timeout { what, waited_ms })
    }

    /// Downloads and decrypts the media of an inbox message.
    ///
    /// # Errors
    /// [`Error::UnknownMedia`], [`Error::Media`].
    pub async fn download(&self, id: &str) -> Result<Vec<u8>, Error> {
        let media = self
            .account
            .phone
            .with_log(|log| log.find_media(id))
            .ok_or(Error::UnknownMedia)?;
        let network = Arc::clone(&self.network);
        tokio::task::spawn_blocking(move || media::download(&network.media, &media))
            .await
            .map_err(|_| Error::Invalid {
                why: "the sandbox is stopping",
            })?
    }

    /// Marks messages of a chat as read.
    ///
    /// # Errors
    /// [`Error::UnknownRecipient`], [`Error::PhoneOffline`], [`Error::Invalid`] without ids.
    pub fn read(&self, chat: &str, ids: &[String]) -> Result<(), Error> {
        let chat = self.recipient(chat)?;
        self.require_online()?;
        let (first, more) = ids.split_first().ok_or(Error::Invalid {
            why: "name at least one message id",
        })?;
        let mut node = NodeBuilder::new("receipt")
            .attr("to", chat.pn_jid(PHONE))
            .attr("id", first.as_str())
            .attr("type", "read");
        if !more.is_empty() {
            let items = more
                .iter()
                .map(|id| NodeBuilder::new("item").attr("id", id.as_str()).build());
            node = node.children([NodeBuilder::new("list")
                .children(items.collect::<Vec<_>>())
                .build()]);
        }
        receipt::receipt(&self.network, &self.author(), &node.build());
        Ok(())
    }

    /// Shows what the phone's user does in a chat.
    ///
    /// # Errors
    /// [`Error::UnknownRecipient`], [`Error::PhoneOffline`].
    pub fn typing(&self, chat: &str, state: Typing) -> Result<(), Error> {
        let chat = self.recipient(chat)?;
        self.require_online()?;
        let child = match state {
            Typing::Composing => NodeBuilder::new("composing"),
            Typing::Recording => NodeBuilder::new("composing").attr("media", "audio"),
            Typing::Paused => NodeBuilder::new("paused"),
        };
        let node = NodeBuilder::new("chatstate")
            .attr("to", chat.pn_jid(PHONE))
            .children([child.build()])
            .build();
        presence::chat_state(&self.network, &self.author(), &node);
        Ok(())
    }

    /// Shows or hides the phone.
    ///
    /// # Errors
    /// [`Error::PhoneOffline`].
    pub fn presence(&self, state: Presence) -> Result<(), Error> {
        self.require_online()?;
        presence::show(&self.network, &self.author(), state == Presence::Available);
        Ok(())
    }

    /// Watches someone's presence; changes come as events.
    ///
    /// # Errors
    /// [`Error::UnknownRecipient`].
    pub fn watch(&self, chat: &str) -> Result<(), Error> {
        let jid: Jid = self.recipient(chat)?.pn_jid(PHONE);
        let node: Node = NodeBuilder::new("presence")
            .attr("type", "subscribe")
            .attr("to", jid)
            .build();
        presence::presence(&self.network, &self.author(), &node);
        Ok(())
    }

    /// Takes the phone off the network: what is sent to it waits, and nothing is confirmed.
    pub fn offline(&self) {
        self.account.phone.online.send_replace(false);
        self.account.with_device(PHONE, |phone| phone.mailbox.cut());
    }

    /// Brings the phone back: what waited is delivered and confirmed.
    pub fn online(&self) {
        self.account.phone.online.send_replace(true);
    }

    /// Whether the phone is to be connected.
    pub fn is_online(&self) -> bool {
        *self.account.phone.online.borrow()
    }

    /// Forgets the Signal session with one device, as a phone that lost its storage would; false when there was none.
    ///
    /// # Errors
    /// [`Error::UnknownRecipient`].
    pub async fn forget_session(&self, chat: &str, device: u16) -> Result<bool, Error> {
        let other = self.recipient(chat)?;
        Ok(self
            .account
            .phone
            .signal
            .lock()
            .await
            .forget(&address(&other, device)))
    }

    /// The server's view of the account's devices.
    pub fn devices(&self) -> Vec<DeviceReport> {
        self.account.with(|state| {
            let devices = state.devices.iter();
            devices
                .map(|(number, device)| DeviceReport {
                    device: *number,
                    connected: device.mailbox.is_linked(),
                    available: device.available,
                    queued: device.mailbox.len(),
                    dropped: device.mailbox.dropped,
                    one_time_keys: device
                        .companion
                        .as_ref()
                        .and_then(|companion| companion.keys.as_ref())
                        .map_or(0, |keys| keys.one_time.len()),
                    messages_in: device.counters.messages_in,
                    messages_out: device.counters.messages_out,
                    acknowledged: device.counters.acknowledged,
                    retries: device.counters.retries,
                    logins: device.counters.logins,
                })
                .collect()
        })
    }

    fn author(&self) -> Author {
        Author {
            account: Arc::clone(&self.account),
            device: PHONE,
        }
    }

    fn require_online(&self) -> Result<(), Error> {
        if self.is_online() {
            Ok(())
        } else {
            Err(Error::PhoneOffline)
        }
    }
}
