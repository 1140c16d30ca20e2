//! What a phone's user does to messages that are there: reacting, editing, deleting, voting.

use whatsapp_rust::buffa::MessageField;
use whatsapp_rust::wacore::poll;
use whatsapp_rust::wacore_binary::Server;
use whatsapp_rust::waproto::whatsapp as wa;
use whatsapp_rust::waproto::whatsapp::message::protocol_message::Type;
use whatsapp_rust::waproto::whatsapp::message::{PollEncValue, PollUpdateMessage, ProtocolMessage, ReactionMessage};

use super::handle::Phone;
use super::send::{Chat, Outgoing, send};
use crate::Error;
use crate::account::PHONE;
use crate::clock::now_ms;

impl Phone {
    /// Reacts to a message of a chat, with an empty emoji takes the reaction back; the id of the reaction.
    ///
    /// # Errors
    /// As [`Phone::send_text`].
    pub async fn react(&self, chat: &str, id: &str, emoji: &str) -> Result<String, Error> {
        let chat = self.chat_for(chat)?;
        let reaction = ReactionMessage {
            key: MessageField::some(self.key(&chat, id)),
            text: Some(emoji.to_owned()),
            sender_timestamp_ms: i64::try_from(now_ms()).ok(),
            ..Default::default()
        };
        let message = wa::Message { reaction_message: MessageField::some(reaction), ..Default::default() };
        self.change(&chat, "reaction", message, emoji).await
    }

    /// Edits a text; the id of the edit.
    ///
    /// # Errors
    /// As [`Phone::send_text`].
    pub async fn edit(&self, chat: &str, id: &str, text: &str) -> Result<String, Error> {
        let chat = self.chat_for(chat)?;
        let edited = wa::Message { conversation: Some(text.to_owned()), ..Default::default() };
        let edit = ProtocolMessage {
            key: MessageField::some(self.key(&chat, id)),
            r#type: Some(Type::MESSAGE_EDIT),
            edited_message: MessageField::some(edited),
            timestamp_ms: i64::try_from(now_ms()).ok(),
            ..Default::default()
        };
        let message = wa::Message { protocol_message: MessageField::some(edit), ..Default::default() };
        self.change(&chat, "edit", message, text).await
    }

    /// Deletes a message for everybody; the id of the revocation. The phone does not ask whose message it is.
    ///
    /// # Errors
    /// As [`Phone::send_text`].
    pub async fn revoke(&self, chat: &str, id: &str) -> Result<String, Error> {
        let chat = self.chat_for(chat)?;
        let key = MessageField::some(self.key(&chat, id));
        let revoke = ProtocolMessage { key, r#type: Some(Type::REVOKE), ..Default::default() };
        let message = wa::Message { protocol_message: MessageField::some(revoke), ..Default::default() };
        self.change(&chat, "revoke", message, id).await
    }

    /// Votes in a poll that came in, without answers takes the vote back; the id of the vote.
    ///
    /// # Errors
    /// As [`Phone::send_text`], and [`Error::Invalid`] when there is no such poll.
    pub async fn vote(&self, chat: &str, id: &str, options: &[String]) -> Result<String, Error> {
        let chat = self.chat_for(chat)?;
        let found = self.account.phone.with_log(|log| log.find_poll(id));
        let (creator, secret) = found.ok_or(Error::Invalid { why: "there is no such poll in the inbox" })?;
        let creator = self.recipient(&creator)?;
        // The key of a vote is derived from the names its people have in the chat.
        let (creator, voter) = match chat.jid(&self.account).server {
            Server::Group | Server::Lid => (creator.lid_jid(PHONE), self.account.lid_jid(PHONE)),
            _ => (creator.pn_jid(PHONE), self.account.pn_jid(PHONE)),
        };
        let (creator, voter) = (creator.to_non_ad_string(), voter.to_non_ad_string());
        let hashes: Vec<Vec<u8>> = options.iter().map(|option| poll::compute_option_hash(option).to_vec()).collect();
        let sealed = poll::encrypt_poll_vote_with_secret(&hashes, &secret, id, &creator, &voter);
        let (payload, iv) = sealed.map_err(|_| Error::Invalid { why: "the vote cannot be encrypted" })?;
        let vote = PollEncValue { enc_payload: Some(payload), enc_iv: Some(iv.to_vec()) };
        let update = PollUpdateMessage {
            poll_creation_message_key: MessageField::some(self.key(&chat, id)),
            vote: MessageField::some(vote),
            sender_timestamp_ms: i64::try_from(now_ms()).ok(),
            ..Default::default()
        };
        let message = wa::Message { poll_update_message: MessageField::some(update), ..Default::default() };
        self.change(&chat, "vote", message, id).await
    }

    /// A message of a chat as this phone names it. In a group that takes the author too, unless it is this account.
    fn key(&self, chat: &Chat, id: &str) -> wa::MessageKey {
        let (sent, entry) = self.account.phone.with_log(|log| (log.find_sent(id).is_some(), log.find_entry(id)));
        let from_me = sent || entry.as_ref().is_some_and(|entry| entry.from_me);
        let author = match chat {
            Chat::Group(_) if !from_me => entry.and_then(|entry| self.network.directory.find(&entry.from)),
            _ => None,
        };
        wa::MessageKey {
            remote_jid: Some(chat.jid(&self.account).to_string()),
            from_me: Some(from_me),
            id: Some(id.to_owned()),
            participant: author.map(|author| author.lid_jid(PHONE).to_string()),
        }
    }

    async fn change(&self, chat: &Chat, kind: &'static str, message: wa::Message, text: &str) -> Result<String, Error> {
        let outgoing = Outgoing { message, kind, text: Some(text.to_owned()) };
        send(&self.network, &self.account, chat, outgoing).await
    }
}
