//! Messages: what is sent and what is shown.

use std::fmt;

use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::{MediaContent, MediaRef, NewMediaContent, Timestamp};

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To the device.
    In,
    /// From the device.
    Out,
}

/// A person, group or channel under all names known. At least one of the two is there.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Party {
    /// The canonical chat id: a JID.
    pub id: String,
    /// The JID with the phone number, if known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pn: Option<String>,
    /// The JID with the LID, if known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lid: Option<String>,
}

/// What a message says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Content {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// A picture.
    Image(MediaContent),
    /// A film.
    Video(MediaContent),
    /// A short round film, recorded in the chat.
    VideoNote(MediaContent),
    /// Sound.
    Audio(MediaContent),
    /// Sound recorded in the chat.
    Voice(MediaContent),
    /// Any file.
    Document(MediaContent),
    /// A sticker.
    Sticker(MediaContent),
    /// Something this version stores no more of than its kind and caption.
    Other {
        /// As WhatsApp names it: `image`, `audio`, `poll_creation`, …
        kind: String,
        /// Its text or caption, if it has one.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        text: Option<String>,
    },
}

/// How far a message has come. Grows only, apart from `failed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MessageStatus {
    /// Stored; not yet acknowledged by WhatsApp's server. Survives a restart.
    Queued,
    /// WhatsApp's server has it (one tick).
    Sent,
    /// A device of the recipient has it (two ticks).
    Delivered,
    /// The recipient read it.
    Read,
    /// The recipient played it.
    Played,
    /// It won't be sent; `error` says why.
    Failed,
    /// It came in.
    Received,
}

/// Why a message failed for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SendFailure {
    /// In snake_case, such as `reachout_timelock` (WhatsApp's 463) or `denied_by_pacing`.
    pub code: String,
    /// For people: what happened and what to do.
    pub text: String,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Message {
    /// Its id.
    pub id: String,
    /// The device it came to or goes from.
    pub device: String,
    /// Which way it went.
    pub direction: Direction,
    /// The chat it belongs to.
    pub chat: Party,
    /// Who wrote it; absent on messages of the device's own account.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sender: Option<Party>,
    /// The sender's own name, if the message carried it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sender_name: Option<String>,
    /// WhatsApp's id of the message; unique within chat and sender.
    pub whatsapp_id: String,
    /// What it says.
    pub content: Content,
    /// How far it has come.
    pub status: MessageStatus,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<SendFailure>,
    /// When it was stored here.
    pub created_at: Timestamp,
    /// When it was written, by the sender's clock for incoming ones.
    pub timestamp: Timestamp,
    /// When each step of an outgoing message happened.
    pub times: StatusTimes,
}

/// When an outgoing message reached each status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StatusTimes {
    /// WhatsApp's server acknowledged it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sent: Option<Timestamp>,
    /// A device of the recipient has it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub delivered: Option<Timestamp>,
    /// It was read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub read: Option<Timestamp>,
    /// It was played.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub played: Option<Timestamp>,
    /// It failed for good.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failed: Option<Timestamp>,
}

/// Hides who it is: parties end up in logs.
impl fmt::Debug for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Party(…)")
    }
}

/// Hides the text: contents end up in logs.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Content(…)")
    }
}

/// A message to send.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewMessage {
    /// A phone number in international form, or the JID of a person.
    #[cfg_attr(feature = "openapi", schema(example = "15550100002"))]
    pub to: String,
    /// What it says.
    pub content: NewContent,
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
    /// A type that WhatsApp has and this version can't send yet; its fields are not read.
    #[serde(skip)]
    Planned(&'static str),
}

/// Fields of one content at most.
pub const CONTENT_FIELDS_MAX: usize = 32;

/// Types that WhatsApp has and this version can't send yet.
const PLANNED: [&str; 8] = ["location", "live_location", "contacts", "poll", "list", "buttons", "event", "template"];

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
    Planned(&'static str),
}

impl<'de> Deserialize<'de> for ContentType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        if name == "text" {
            return Ok(Self::Text);
        }
        if let Some((_, make)) = MEDIA.into_iter().find(|(media, _)| *media == name) {
            return Ok(Self::Media(make));
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
    /// The first field that is not known.
    unknown: Option<String>,
}

impl Fields {
    fn content<E: Error>(self) -> Result<NewContent, E> {
        let Self { kind, text, media, caption, unknown } = self;
        let strange = |field: &str, known| E::unknown_field(field, known);
        match kind {
            None => Err(E::missing_field("type")),
            Some(ContentType::Planned(kind)) => Ok(NewContent::Planned(kind)),
            Some(ContentType::Text) => {
                let of_media = media.is_some().then_some("media").or(caption.is_some().then_some("caption"));
                if let Some(field) = unknown.as_deref().or(of_media) {
                    return Err(strange(field, &["type", "text"]));
                }
                text.map(|text| NewContent::Text { text }).ok_or_else(|| E::missing_field("text"))
            }
            Some(ContentType::Media(make)) => {
                if let Some(field) = unknown.as_deref().or(text.is_some().then_some("text")) {
                    return Err(strange(field, &["type", "media", "caption"]));
                }
                let media = media.ok_or_else(|| E::missing_field("media"))?;
                Ok(make(NewMediaContent { media, caption }))
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
        ] {
            assert!(read(json).is_err_and(|e| e.contains(why)), "{json}");
        }
    }

    #[test]
    fn a_planned_type_is_told_apart_whatever_its_fields() {
        assert!(read(r#"{"type":"location","place":{"x":[1,2]}}"#) == Ok(NewContent::Planned("location")));
    }

    #[test]
    fn a_content_has_only_so_many_fields() {
        let fields: Vec<_> = (0..40).map(|n| format!("\"f{n}\":1")).collect();
        let json = format!("{{\"type\":\"poll\",{}}}", fields.join(","));
        assert!(read(&json).is_err_and(|e| e.contains("at most 32 entries")));
    }
}
