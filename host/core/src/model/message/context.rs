//! What a message has around its content: whom it answers and mentions, and where it comes from.

use serde::{Deserialize, Serialize};

use super::Message;
use crate::address::Party;
use crate::id::MessageId;
use crate::model::media::Digest;

/// Characters of a quoted text that are kept and repeated.
const QUOTED_CHARS_MAX: usize = 1_024;

/// What is around the content of a message. Never changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MessageContext {
    /// The message it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quoted: Option<Box<Quoted>>,
    /// JIDs of the people it mentions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<String>,
    /// How often it was forwarded until it came here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forwarded: Option<u32>,
    /// It disappears from phones so many seconds after it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disappears_after: Option<u32>,
    /// Phones show it once.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub view_once: bool,
    /// What it shows of a page it names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link_preview: Option<Box<LinkPreview>>,
    /// The advertisement that led its author here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referral: Option<Box<Referral>>,
}

/// The message that another one answers.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quoted {
    /// The message here, on messages that are sent from here.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<MessageId>,
    /// WhatsApp's id of it.
    pub whatsapp_id: String,
    /// Who wrote it; absent: the device's own account.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub author: Option<Party>,
    /// Its kind.
    pub kind: String,
    /// Its text or caption, shortened.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub text: Option<String>,
}

/// Hides the text: messages end up in logs.
impl std::fmt::Debug for Quoted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Quoted({})", self.kind)
    }
}

impl Quoted {
    /// A quoted text as it is kept.
    pub fn shortened(text: &str) -> String {
        text.chars().take(QUOTED_CHARS_MAX).collect()
    }
}

impl From<&Message> for Quoted {
    fn from(message: &Message) -> Self {
        Self {
            id: Some(message.id.clone()),
            whatsapp_id: message.whatsapp_id.clone(),
            author: message.sender.clone(),
            kind: message.content.kind().to_owned(),
            text: message.content.text().map(Self::shortened),
        }
    }
}

/// What a text shows of a page it names.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkPreview {
    /// The address, as the text has it.
    pub url: String,
    /// The headline.
    pub title: String,
    /// What the page is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// A picture, on messages that are sent from here.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub picture: Option<Picture>,
}

/// A picture in the blob store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// The file.
    pub digest: Digest,
    /// Its size.
    pub bytes: u64,
}

/// Hides where somebody links to: messages end up in logs.
impl std::fmt::Debug for LinkPreview {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkPreview(…)")
    }
}

/// The advertisement that led somebody to write, as WhatsApp tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "documented where it is shown: `portico_api::Referral`")]
pub struct Referral {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub click_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_app: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headline: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thumbnail_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}
