//! What a client asks to send.

use std::fmt;

use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::rich::{RichFields, required};
use super::{
    Buttons, CONTACTS_MAX, CalendarEvent, Contact, ListMenu, LiveLocation, Location, MENTIONS_MAX, NewLinkPreview, Poll,
};
use crate::{BoundedVec, MediaRef, NewMediaContent};

/// A message to send.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewMessage {
    /// A phone number in international form, or the JID of a person or a group.
    #[cfg_attr(feature = "openapi", schema(example = "15550100002"))]
    pub to: String,
    /// What it says.
    pub content: NewContent,
    /// The id of the message of that chat which it answers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub quoted: Option<String>,
    /// Numbers or JIDs of the people it mentions. Its text names each as `@` and the digits, and phones show the name there.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<String>>, max_items = 1024))]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mentions: Option<BoundedVec<String, MENTIONS_MAX>>,
    /// Disappears from phones so many seconds after it was written: those of a day, 7 days or 90 days.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub disappears_after: Option<u32>,
    /// Phones show it once; for pictures, films and voice messages.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub view_once: bool,
    /// What a text is to show of a page it names.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub link_preview: Option<Box<NewLinkPreview>>,
}

/// To whom a message is forwarded.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewForward {
    /// A phone number in international form, or the JID of a person or a group.
    #[cfg_attr(feature = "openapi", schema(example = "15550100002"))]
    pub to: String,
}

/// What a message to send says; more types follow.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum NewContent {
    /// Text.
    Text {
        /// The text, not only blanks.
        #[cfg_attr(feature = "openapi", schema(example = "Hello"))]
        text: String,
    },
    /// A picture: JPEG, PNG or WebP.
    Image(NewMediaContent),
    /// A film: MP4, 3GPP or QuickTime.
    Video(NewMediaContent),
    /// Sound.
    Audio(NewMediaContent),
    /// Sound that looks as if it was recorded in the chat: Ogg with Opus.
    Voice(NewMediaContent),
    /// Any file.
    Document(NewMediaContent),
    /// A sticker: WebP.
    Sticker(NewMediaContent),
    /// A place.
    Location {
        /// The place.
        location: Location,
    },
    /// Where somebody is at the moment.
    LiveLocation {
        /// The place.
        live_location: LiveLocation,
    },
    /// Contacts, as cards.
    Contacts {
        /// The contacts, each with a `vcard` or a `number`.
        #[cfg_attr(feature = "openapi", schema(value_type = Vec<Contact>, min_items = 1, max_items = 250))]
        contacts: BoundedVec<Contact, CONTACTS_MAX>,
    },
    /// A question with answers to choose from.
    Poll {
        /// The question.
        poll: Poll,
    },
    /// A menu.
    List {
        /// The menu.
        list: ListMenu,
    },
    /// A text with buttons under it.
    Buttons {
        /// Text and buttons.
        buttons: Buttons,
    },
    /// A date in the calendar that people are asked to.
    Event {
        /// The date.
        event: CalendarEvent,
    },
    /// A type that WhatsApp has and this version can't send yet; its fields are not read.
    #[serde(skip)]
    Planned(&'static str),
}

/// Fields of one content at most.
pub const CONTENT_FIELDS_MAX: usize = 32;

/// Types that WhatsApp has and this version can't send yet.
const PLANNED: [&str; 1] = ["template"];

/// Makes the content of a file of one kind.
type OfMedia = fn(NewMediaContent) -> NewContent;

/// Types that are files.
const MEDIA: [(&str, OfMedia); 6] = [
    ("image", NewContent::Image),
    ("video", NewContent::Video),
    ("audio", NewContent::Audio),
    ("voice", NewContent::Voice),
    ("document", NewContent::Document),
    ("sticker", NewContent::Sticker),
];

/// What `type` says.
#[derive(Clone, Copy)]
enum ContentType {
    Text,
    Media(OfMedia),
    Rich(Rich),
    Planned(&'static str),
}

/// Types that have a form of their own, in a member of the same name.
#[derive(Clone, Copy)]
enum Rich {
    Location,
    LiveLocation,
    Contacts,
    Poll,
    List,
    Buttons,
    Event,
}

const RICH: [(&str, Rich); 7] = [
    ("location", Rich::Location),
    ("live_location", Rich::LiveLocation),
    ("contacts", Rich::Contacts),
    ("poll", Rich::Poll),
    ("list", Rich::List),
    ("buttons", Rich::Buttons),
    ("event", Rich::Event),
];

impl<'de> Deserialize<'de> for ContentType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        if name == "text" {
            return Ok(Self::Text);
        }
        if let Some((_, make)) = MEDIA.into_iter().find(|(media, _)| *media == name) {
            return Ok(Self::Media(make));
        }
        if let Some((_, rich)) = RICH.into_iter().find(|(rich, _)| *rich == name) {
            return Ok(Self::Rich(rich));
        }
        let planned = PLANNED.into_iter().find(|planned| *planned == name);
        planned.map(Self::Planned).ok_or_else(|| D::Error::custom("is no type of message; `text` is one"))
    }
}

/// Reads the fields in whatever order they come, each as the type it must have, without keeping what is not known.
struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = NewContent;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<NewContent, A::Error> {
        let mut read = Fields::default();
        for count in 0.. {
            let Some(name) = fields.next_key::<String>()? else { break };
            if count == CONTENT_FIELDS_MAX {
                return Err(A::Error::custom(format_args!("must have at most {CONTENT_FIELDS_MAX} entries")));
            }
            match name.as_str() {
                "type" => read.kind = Some(fields.next_value()?),
                "text" => read.text = Some(fields.next_value()?),
                "media" => read.media = Some(fields.next_value()?),
                "caption" => read.caption = Some(fields.next_value()?),
                name if read.rich.read(name, &mut fields)? => {}
                _ => {
                    fields.next_value::<IgnoredAny>()?;
                    read.unknown.get_or_insert(name);
                }
            }
        }
        read.content()
    }
}

/// The fields of a content as far as they are known.
#[derive(Default)]
struct Fields {
    kind: Option<ContentType>,
    text: Option<String>,
    media: Option<MediaRef>,
    caption: Option<String>,
    rich: RichFields,
    /// The first field that is not known.
    unknown: Option<String>,
}

impl Fields {
    fn content<E: Error>(self) -> Result<NewContent, E> {
        let Self { kind, text, media, caption, mut rich, unknown } = self;
        let strange = |field: &str, known| E::unknown_field(field, known);
        match kind {
            None => Err(E::missing_field("type")),
            Some(ContentType::Planned(kind)) => Ok(NewContent::Planned(kind)),
            Some(ContentType::Text) => {
                let of_media = media.is_some().then_some("media").or(caption.is_some().then_some("caption"));
                if let Some(field) = unknown.as_deref().or(of_media).or(rich.first()) {
                    return Err(strange(field, &["type", "text"]));
                }
                text.map(|text| NewContent::Text { text }).ok_or_else(|| E::missing_field("text"))
            }
            Some(ContentType::Media(make)) => {
                if let Some(field) = unknown.as_deref().or(text.is_some().then_some("text")).or(rich.first()) {
                    return Err(strange(field, &["type", "media", "caption"]));
                }
                let media = media.ok_or_else(|| E::missing_field("media"))?;
                Ok(make(NewMediaContent { media, caption }))
            }
            Some(ContentType::Rich(kind)) => {
                let content = match kind {
                    Rich::Location => NewContent::Location { location: required(rich.location.take(), "location")? },
                    Rich::LiveLocation => {
                        let live_location = required(rich.live_location.take(), "live_location")?;
                        NewContent::LiveLocation { live_location }
                    }
                    Rich::Contacts => NewContent::Contacts { contacts: required(rich.contacts.take(), "contacts")? },
                    Rich::Poll => NewContent::Poll { poll: required(rich.poll.take(), "poll")? },
                    Rich::List => NewContent::List { list: required(rich.list.take(), "list")? },
                    Rich::Buttons => NewContent::Buttons { buttons: required(rich.buttons.take(), "buttons")? },
                    Rich::Event => NewContent::Event { event: required(rich.event.take(), "event")? },
                };
                let plain = [("text", text.is_some()), ("media", media.is_some()), ("caption", caption.is_some())];
                let plain = plain.into_iter().find(|(_, there)| *there).map(|(name, _)| name);
                match unknown.as_deref().or(plain).or(rich.first()) {
                    Some(field) => Err(strange(field, &["type", "the member that is named like the type"])),
                    None => Ok(content),
                }
            }
        }
    }
}

impl<'de> Deserialize<'de> for NewContent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ContentVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<NewContent, String> {
        serde_json::from_str(json).map_err(|e| e.to_string())
    }

    #[test]
    fn text_is_read_in_any_order_and_written_as_it_is_read() {
        let content = NewContent::Text { text: "hi".to_owned() };
        for json in [r#"{"type":"text","text":"hi"}"#, r#"{"text":"hi","type":"text"}"#] {
            assert!(read(json) == Ok(content.clone()), "{json}");
        }
        assert_eq!(serde_json::to_string(&content).unwrap(), r#"{"type":"text","text":"hi"}"#);
    }

    #[test]
    fn a_file_is_read_with_its_caption_and_written_as_it_is_read() {
        let media = MediaRef { upload: Some("med_1".to_owned()), ..MediaRef::default() };
        let content = NewContent::Image(NewMediaContent { media, caption: Some("a pier".to_owned()) });
        let json = r#"{"type":"image","media":{"upload":"med_1"},"caption":"a pier"}"#;
        assert!(read(json) == Ok(content.clone()));
        assert_eq!(serde_json::to_string(&content).unwrap(), json);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (json, why) in [
            ("{}", "missing field `type`"),
            (r#"{"type":5}"#, "invalid type: integer `5`"),
            (r#"{"type":"mesage"}"#, "is no type of message"),
            (r#"{"type":"text"}"#, "missing field `text`"),
            (r#"{"type":"text","text":5}"#, "invalid type: integer `5`"),
            (r#"{"type":"text","text":"hi","txt":1}"#, "unknown field `txt`"),
            (r#"{"type":"text","text":"hi","caption":"x"}"#, "unknown field `caption`"),
            (r#"{"type":"image"}"#, "missing field `media`"),
            (r#"{"type":"image","media":{"id":"x"}}"#, "unknown field `id`"),
            (r#"{"type":"image","media":{"url":"x"},"text":"hi"}"#, "unknown field `text`"),
            (r#"{"type":"poll"}"#, "missing field `poll`"),
            (r#"{"type":"poll","poll":{"question":"?","options":[],"x":1}}"#, "unknown field `x`"),
            (r#"{"type":"text","text":"hi","list":{}}"#, "missing field `text`"),
            (r#"{"type":"location","location":{"latitude":1,"longitude":2},"text":"hi"}"#, "unknown field `text`"),
        ] {
            assert!(read(json).is_err_and(|e| e.contains(why)), "{json}");
        }
    }

    #[test]
    fn a_planned_type_is_told_apart_whatever_its_fields() {
        assert!(read(r#"{"type":"template","place":{"x":[1,2]}}"#) == Ok(NewContent::Planned("template")));
    }

    #[test]
    fn a_content_has_only_so_many_fields() {
        let fields: Vec<_> = (0..40).map(|n| format!("\"f{n}\":1")).collect();
        let json = format!("{{\"type\":\"template\",{}}}", fields.join(","));
        assert!(read(&json).is_err_and(|e| e.contains("at most 32 entries")));
    }
}
