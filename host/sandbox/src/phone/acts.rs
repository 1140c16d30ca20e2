//! What a phone's user does besides writing: reading, typing, showing up, going away.

use std::sync::Arc;

use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::wacore_binary::{Jid, Node};

use super::event::{Presence, Typing};
use super::handle::Phone;
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
        let chat = self.recipient(chat)?;
        self.require_online()?;
        let (first, more) = ids.split_first().ok_or(Error::Invalid { why: "name at least one message id" })?;
        let mut node =
            NodeBuilder::new("receipt").attr("to", chat.pn_jid(PHONE)).attr("id", first.as_str()).attr("type", "read");
        if !more.is_empty() {
            let items = more.iter().map(|id| NodeBuilder::new("item").attr("id", id.as_str()).build());
            node = node.children([NodeBuilder::new("list").children(items.collect::<Vec<_>>()).build()]);
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
        let node = NodeBuilder::new("chatstate").attr("to", chat.pn_jid(PHONE)).children([child.build()]).build();
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

    fn author(&self) -> Author {
        Author { account: Arc::clone(&self.account), device: PHONE }
    }

    fn require_online(&self) -> Result<(), Error> {
        if self.is_online() { Ok(()) } else { Err(Error::PhoneOffline) }
    }
}
