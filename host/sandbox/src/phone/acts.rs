//! What a phone's user does besides writing: reading, typing, showing up, going away.

use std::sync::Arc;

use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::wacore_binary::{Jid, Node, Server};

use super::event::{Presence, Typing};
use super::handle::Phone;
use super::sender_keys::SenderKeys;
use super::signal::address;
use crate::Error;
use crate::account::PHONE;
use crate::relay::{Author, presence, receipt};

impl Phone {
    /// Marks messages of a chat as read.
    ///
    /// # Errors
    /// [`Error::UnknownRecipient`], [`Error::PhoneOffline`], [`Error::Invalid`] without ids.
    pub fn read(&self, chat: &str, ids: &[String]) -> Result<(), Error> {
        let to = self.chat(chat)?;
        self.require_online()?;
        if ids.is_empty() {
            return Err(Error::Invalid { why: "name at least one message id" });
        }
        for (author, ids) in self.by_author(&to, ids) {
            let Some((first, more)) = ids.split_first() else { continue };
            let mut node =
                NodeBuilder::new("receipt").attr("to", to.clone()).attr("id", first.as_str()).attr("type", "read");
            if let Some(author) = author {
                node = node.attr("participant", author);
            }
            if !more.is_empty() {
                let items = more.iter().map(|id| NodeBuilder::new("item").attr("id", id.as_str()).build());
                node = node.children([NodeBuilder::new("list").children(items.collect::<Vec<_>>()).build()]);
            }
            receipt::receipt(&self.network, &self.author(), &node.build());
        }
        Ok(())
    }

    /// Message ids by the author a receipt has to name: nobody in a chat of two, the sender in a group.
    fn by_author(&self, chat: &Jid, ids: &[String]) -> Vec<(Option<Jid>, Vec<String>)> {
        if chat.server != Server::Group {
            return vec![(None, ids.to_vec())];
        }
        let mut authors: Vec<(Option<Jid>, Vec<String>)> = Vec::new();
        for id in ids {
            let sender = self.account.phone.with_log(|log| log.find_entry(id).map(|entry| (entry.from, entry.device)));
            let Some((account, device)) =
                sender.and_then(|(from, device)| Some((self.network.directory.find(&from)?, device)))
            else {
                continue;
            };
            let author = Some(account.lid_jid(device));
            match authors.iter_mut().find(|(known, _)| *known == author) {
                Some((_, ids)) => ids.push(id.clone()),
                None => authors.push((author, vec![id.clone()])),
            }
        }
        authors
    }

    /// The JID of a chat: a group's, or the number of the account it names.
    pub(super) fn chat(&self, chat: &str) -> Result<Jid, Error> {
        match self.group(chat) {
            Ok(group) => Ok(group.jid()),
            Err(_) => {
                let partner = self.recipient(chat)?;
                Ok(self.account.address_of(&partner, PHONE))
            }
        }
    }

    /// Shows what the phone's user does in a chat.
    ///
    /// # Errors
    /// [`Error::UnknownRecipient`], [`Error::PhoneOffline`].
    pub fn typing(&self, chat: &str, state: Typing) -> Result<(), Error> {
        let chat = self.chat(chat)?;
        self.require_online()?;
        let child = match state {
            Typing::Composing => NodeBuilder::new("composing"),
            Typing::Recording => NodeBuilder::new("composing").attr("media", "audio"),
            Typing::Paused => NodeBuilder::new("paused"),
        };
        let node = NodeBuilder::new("chatstate").attr("to", chat).children([child.build()]).build();
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
        let node: Node = NodeBuilder::new("presence").attr("type", "subscribe").attr("to", jid).build();
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
        Ok(self.account.phone.signal.lock().await.forget(&address(&other, device)))
    }

    /// Forgets every key for groups, as a phone that lost its storage would.
    pub async fn forget_sender_keys(&self) {
        self.account.phone.signal.lock().await.sender_keys = SenderKeys::default();
    }

    pub(super) fn author(&self) -> Author {
        Author { account: Arc::clone(&self.account), device: PHONE }
    }

    fn require_online(&self) -> Result<(), Error> {
        if self.is_online() { Ok(()) } else { Err(Error::PhoneOffline) }
    }
}
