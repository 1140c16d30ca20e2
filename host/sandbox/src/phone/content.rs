//! What messages say besides text, and what is around it: as a phone shows it, and as its user may write it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use whatsapp_rust::buffa::MessageField;
use whatsapp_rust::wacore::proto_helpers::MessageExt;
use whatsapp_rust::waproto::whatsapp as wa;
use whatsapp_rust::waproto::whatsapp::context_info::ExternalAdReplyInfo;
use whatsapp_rust::waproto::whatsapp::message::ExtendedTextMessage;

use crate::identity::random;

/// What a phone's user puts around a text.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Around {
    /// The id of the message it answers.
    pub quoted: Option<String>,
    /// The JID of who wrote that.
    pub quoted_author: Option<String>,
    /// What that said.
    pub quoted_text: Option<String>,
    /// JIDs of the people it mentions.
    pub mentions: Vec<String>,
    /// How often it was forwarded.
    pub forwarded: Option<u32>,
    /// After how many seconds it disappears.
    pub disappears_after: Option<u32>,
    /// The id of the click on the advertisement that led the user here.
    pub ad_click: Option<String>,
    /// The headline of that advertisement.
    pub ad_headline: Option<String>,
}

impl Around {
    /// A text with this around it.
    pub(super) fn text(&self, text: &str) -> wa::Message {
        let quoted =
            self.quoted_text.clone().map(|text| wa::Message { conversation: Some(text), ..Default::default() });
        let ad = self.ad_click.clone().map(|click| ExternalAdReplyInfo {
            ctwa_clid: Some(click),
            title: self.ad_headline.clone(),
            source_type: Some("ad".to_owned()),
            ..Default::default()
        });
        let info = wa::ContextInfo {
            stanza_id: self.quoted.clone(),
            participant: self.quoted_author.clone(),
            quoted_message: quoted.map_or_else(MessageField::none, MessageField::some),
            mentioned_jid: self.mentions.clone(),
            is_forwarded: self.forwarded.map(|_| true),
            forwarding_score: self.forwarded,
            expiration: self.disappears_after,
            external_ad_reply: ad.map_or_else(MessageField::none, MessageField::some),
            ..Default::default()
        };
        let text = ExtendedTextMessage {
            text: Some(text.to_owned()),
            context_info: MessageField::some(info),
            ..Default::default()
        };
        wa::Message { extended_text_message: MessageField::some(text), ..Default::default() }
    }
}

/// The context in whichever part of a message has one.
pub(super) fn context(message: &wa::Message) -> Option<&wa::ContextInfo> {
    let message = message.get_base_message();
    macro_rules! first {
        ($($part:ident)*) => {
            None$(.or_else(|| message.$part.as_option().and_then(|part| part.context_info.as_option())))*
        };
    }
    first!(
        extended_text_message image_message video_message audio_message document_message sticker_message location_message
        live_location_message contact_message contacts_array_message poll_creation_message poll_creation_message_v3
        list_message buttons_message event_message
    )
}

/// A content with a form of its own: its kind, its text, and what it says by the names of WhatsApp's own format.
pub(super) fn rich(message: &wa::Message) -> Option<(&'static str, Option<String>, Value)> {
    let message = message.get_base_message();
    if let Some(m) = message.location_message.as_option() {
        let content = json!({
            "degreesLatitude": m.degrees_latitude, "degreesLongitude": m.degrees_longitude,
            "name": m.name, "address": m.address, "url": m.url,
        });
        return Some(("location", m.name.clone(), content));
    }
    if let Some(m) = message.live_location_message.as_option() {
        let content = json!({
            "degreesLatitude": m.degrees_latitude, "degreesLongitude": m.degrees_longitude,
            "accuracyInMeters": m.accuracy_in_meters, "caption": m.caption,
        });
        return Some(("live_location", m.caption.clone(), content));
    }
    let card = |m: &wa::message::ContactMessage| json!({ "displayName": m.display_name, "vcard": m.vcard });
    if let Some(m) = message.contact_message.as_option() {
        return Some(("contacts", m.display_name.clone(), json!({ "contacts": [card(m)] })));
    }
    if let Some(m) = message.contacts_array_message.as_option() {
        let cards: Vec<_> = m.contacts.iter().map(card).collect();
        return Some(("contacts", m.display_name.clone(), json!({ "contacts": cards })));
    }
    if let Some(m) = message.poll_creation_message.as_option().or_else(|| message.poll_creation_message_v3.as_option())
    {
        let options: Vec<_> = m.options.iter().map(|option| json!({ "optionName": option.option_name })).collect();
        let content =
            json!({ "name": m.name, "options": options, "selectableOptionsCount": m.selectable_options_count });
        return Some(("poll", m.name.clone(), content));
    }
    menu(message)
}

fn menu(message: &wa::Message) -> Option<(&'static str, Option<String>, Value)> {
    if let Some(m) = message.list_message.as_option() {
        let row = |row: &wa::message::list_message::Row| json!({ "rowId": row.row_id, "title": row.title, "description": row.description });
        let section = |section: &wa::message::list_message::Section| json!({ "title": section.title, "rows": section.rows.iter().map(row).collect::<Vec<_>>() });
        let sections: Vec<_> = m.sections.iter().map(section).collect();
        let content = json!({
            "title": m.title, "description": m.description, "buttonText": m.button_text, "footerText": m.footer_text,
            "sections": sections,
        });
        return Some(("list", m.description.clone(), content));
    }
    if let Some(m) = message.buttons_message.as_option() {
        let button = |button: &wa::message::buttons_message::Button| {
            let label = button.button_text.as_option().and_then(|label| label.display_text.clone());
            json!({ "buttonId": button.button_id, "buttonText": { "displayText": label } })
        };
        let buttons: Vec<_> = m.buttons.iter().map(button).collect();
        let content = json!({ "contentText": m.content_text, "footerText": m.footer_text, "buttons": buttons });
        return Some(("buttons", m.content_text.clone(), content));
    }
    let m = message.event_message.as_option()?;
    let content = json!({
        "name": m.name, "description": m.description, "startTime": m.start_time, "endTime": m.end_time,
        "location": { "name": m.location.as_option().and_then(|place| place.name.clone()) },
    });
    Some(("event", m.name.clone(), content))
}

/// What a phone's user sends besides texts and files, in the form the gateway's own API has for it: a type and a member of
/// that name.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Written {
    /// A place.
    Location {
        /// Degrees north of the equator.
        latitude: f64,
        /// Degrees east of Greenwich.
        longitude: f64,
        /// What it is called.
        name: Option<String>,
    },
    /// A card.
    Contact {
        /// What the contact is called.
        name: String,
        /// The card.
        vcard: String,
    },
    /// A question with answers to choose from.
    Poll {
        /// The question.
        question: String,
        /// The answers.
        options: Vec<String>,
    },
}

impl Written {
    pub(super) fn message(&self) -> (&'static str, Option<String>, wa::Message) {
        match self.clone() {
            Self::Location { latitude, longitude, name } => {
                let place = wa::message::LocationMessage {
                    degrees_latitude: Some(latitude),
                    degrees_longitude: Some(longitude),
                    name: name.clone(),
                    ..Default::default()
                };
                let message = wa::Message { location_message: MessageField::some(place), ..Default::default() };
                ("location", name, message)
            }
            Self::Contact { name, vcard } => {
                let card = wa::message::ContactMessage {
                    display_name: Some(name.clone()),
                    vcard: Some(vcard),
                    ..Default::default()
                };
                let message = wa::Message { contact_message: MessageField::some(card), ..Default::default() };
                ("contacts", Some(name), message)
            }
            Self::Poll { question, options } => {
                let option = |name: String| wa::message::poll_creation_message::Option {
                    option_name: Some(name),
                    ..Default::default()
                };
                let poll = wa::message::PollCreationMessage {
                    name: Some(question.clone()),
                    options: options.into_iter().map(option).collect(),
                    selectable_options_count: Some(1),
                    ..Default::default()
                };
                let info =
                    wa::MessageContextInfo { message_secret: Some(random::<32>().to_vec()), ..Default::default() };
                let message = wa::Message {
                    poll_creation_message_v3: MessageField::some(poll),
                    message_context_info: MessageField::some(info),
                    ..Default::default()
                };
                ("poll", Some(question), message)
            }
        }
    }
}
