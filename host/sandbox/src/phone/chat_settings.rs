//! What a phone's user sets about chats and contacts; linked devices learn it from the app state.

use whatsapp_rust::buffa::MessageField;
use whatsapp_rust::wacore::appstate::schemas::{self, Schema};
use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::waproto::whatsapp as wa;
use whatsapp_rust::waproto::whatsapp::sync_action_value::{
    ArchiveChatAction, ContactAction, LabelAssociationAction, LabelEditAction, MarkChatAsReadAction, MuteAction,
    PinAction, PushNameSetting,
};

use super::app_state::{self, AppStateEntry};
use super::handle::Phone;
use crate::Error;
use crate::account::PHONE;
use crate::clock::now_ms;
use crate::stanza::{notification, server};

/// A setting a phone's user changes. Chats are numbers or JIDs.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "set", deny_unknown_fields)]
pub enum ChatSetting {
    /// Mutes a chat until a time in milliseconds since the Unix epoch (-1: for good), or unmutes it.
    Mute {
        /// The chat.
        chat: String,
        /// Whether it is muted.
        on: bool,
        /// Until when.
        #[serde(default)]
        until_ms: Option<i64>,
    },
    /// Pins a chat to the top.
    Pin {
        /// The chat.
        chat: String,
        /// Whether it is pinned.
        on: bool,
    },
    /// Puts a chat into the archive.
    Archive {
        /// The chat.
        chat: String,
        /// Whether it is archived.
        on: bool,
    },
    /// Marks a chat as read or unread.
    Read {
        /// The chat.
        chat: String,
        /// Whether it is read.
        on: bool,
    },
    /// Saves a contact.
    Contact {
        /// The contact's number.
        number: String,
        /// The name it is saved under.
        name: String,
    },
    /// Makes, changes or deletes a label.
    Label {
        /// The label's id.
        id: String,
        /// Its name.
        name: String,
        /// Its colour, 0 to 19.
        #[serde(default)]
        color: i32,
        /// Whether it is deleted.
        #[serde(default)]
        deleted: bool,
    },
    /// Puts a label on a chat, or takes it off.
    Labeled {
        /// The label's id.
        id: String,
        /// The chat.
        chat: String,
        /// Whether it is on.
        on: bool,
    },
    /// Changes the push name.
    Name {
        /// The new name.
        name: String,
    },
}

impl Phone {
    /// Every record of the account's app state, as the phone can open it.
    pub fn app_state(&self) -> Vec<AppStateEntry> {
        let state = self.account.with(|state| state.app_state.clone());
        app_state::entries(&state, &self.account.phone.app_key)
    }

    /// Changes a setting and tells the linked devices.
    ///
    /// # Errors
    /// [`Error::UnknownRecipient`], [`Error::LimitReached`].
    pub fn set(&self, setting: ChatSetting) -> Result<(), Error> {
        if let ChatSetting::Name { name } = &setting {
            self.account.with(|state| state.name.clone_from(name));
        }
        let (schema, about, value) = self.record(setting)?;
        let mut index = vec![schema.name];
        index.extend(about.iter().map(String::as_str));
        let (collection, max) = (schema.collection.as_str(), self.network.limits.app_state_patches_max);
        let value = wa::SyncActionValue { timestamp: i64::try_from(now_ms()).ok(), ..value };
        let version = i32::try_from(schema.version).unwrap_or(1);
        let key = &self.account.phone.app_key;
        let version = self
            .account
            .with(|state| app_state::write(&mut state.app_state, key, collection, &index, &value, version, max))?;
        for device in self.account.device_numbers().into_iter().filter(|device| *device != PHONE) {
            let changed = NodeBuilder::new("collection").attr("name", collection).attr("version", version).build();
            let note = notification("server_sync", server(), &self.network.stanza_id()).children([changed]).build();
            self.network.post(&self.account, device, note);
        }
        self.network.touch();
        Ok(())
    }

    /// The schema, what the record is about, and its value.
    fn record(&self, setting: ChatSetting) -> Result<(&'static Schema, Vec<String>, wa::SyncActionValue), Error> {
        let jid = |chat: &str| self.chat(chat).map(|jid| jid.to_string());
        let empty = wa::SyncActionValue::default;
        Ok(match setting {
            ChatSetting::Mute { chat, on, until_ms } => {
                let action = MuteAction { muted: Some(on), mute_end_timestamp: until_ms, ..Default::default() };
                let value = wa::SyncActionValue { mute_action: MessageField::some(action), ..empty() };
                (&schemas::MUTE, vec![jid(&chat)?], value)
            }
            ChatSetting::Pin { chat, on } => {
                let action = PinAction { pinned: Some(on) };
                let value = wa::SyncActionValue { pin_action: MessageField::some(action), ..empty() };
                (&schemas::PIN, vec![jid(&chat)?], value)
            }
            ChatSetting::Archive { chat, on } => {
                let action = ArchiveChatAction { archived: Some(on), ..Default::default() };
                let value = wa::SyncActionValue { archive_chat_action: MessageField::some(action), ..empty() };
                (&schemas::ARCHIVE, vec![jid(&chat)?], value)
            }
            ChatSetting::Read { chat, on } => {
                let action = MarkChatAsReadAction { read: Some(on), ..Default::default() };
                let value = wa::SyncActionValue { mark_chat_as_read_action: MessageField::some(action), ..empty() };
                (&schemas::MARK_CHAT_AS_READ, vec![jid(&chat)?], value)
            }
            ChatSetting::Contact { number, name } => {
                let contact = self.recipient(&number)?;
                let action = ContactAction {
                    full_name: Some(name.clone()),
                    first_name: name.split_whitespace().next().map(str::to_owned),
                    lid_jid: Some(contact.lid_jid(PHONE).to_string()),
                    ..Default::default()
                };
                let value = wa::SyncActionValue { contact_action: MessageField::some(action), ..empty() };
                (&schemas::CONTACT, vec![contact.pn_jid(PHONE).to_string()], value)
            }
            ChatSetting::Label { id, name, color, deleted } => {
                let action = LabelEditAction {
                    name: Some(name),
                    color: Some(color),
                    deleted: Some(deleted),
                    ..Default::default()
                };
                let value = wa::SyncActionValue { label_edit_action: MessageField::some(action), ..empty() };
                (&schemas::LABEL_EDIT, vec![id], value)
            }
            ChatSetting::Labeled { id, chat, on } => {
                let action = LabelAssociationAction { labeled: Some(on), ..Default::default() };
                let value = wa::SyncActionValue { label_association_action: MessageField::some(action), ..empty() };
                (&schemas::LABEL_JID, vec![id, jid(&chat)?], value)
            }
            ChatSetting::Name { name } => {
                let action = PushNameSetting { name: Some(name) };
                let value = wa::SyncActionValue { push_name_setting: MessageField::some(action), ..empty() };
                (&schemas::SETTING_PUSH_NAME, Vec::new(), value)
            }
        })
    }
}
