//! What a message has around its content: whom it answers and mentions, and where it comes from.

use serde::{Deserialize, Serialize};

use super::Party;

/// Mentions of one message at most: as many as a group has members.
pub const MENTIONS_MAX: usize = 1_024;

/// The message that another one answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Quoted {
    /// Its id, on messages that were sent from here.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub message: Option<String>,
    /// WhatsApp's id of it.
    pub whatsapp_id: String,
    /// Who wrote it; absent: the device's own account.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub author: Option<Party>,
    /// Its kind, such as `text` or `image`.
    pub kind: String,
    /// Its text or caption, as the answer repeats it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub text: Option<String>,
}

/// What a text shows of a page it names.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LinkPreview {
    /// The address, as the text has it.
    pub url: String,
    /// The headline.
    pub title: String,
    /// What the page is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
}

/// What a text is to show of a page it names.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewLinkPreview {
    /// The address; the text must have it, too.
    #[cfg_attr(feature = "openapi", schema(example = "https://example.com/shoes"))]
    pub url: String,
    /// The headline. Without one the page is fetched, and its own headline, description and picture are shown.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub title: Option<String>,
    /// What the page is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// The address of a picture, which is fetched and shown small.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub picture: Option<String>,
}

/// Hides where somebody links to: bodies end up in logs.
impl std::fmt::Debug for LinkPreview {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkPreview(…)")
    }
}

/// The advertisement that led somebody to write.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Referral {
    /// The id of the click (`ctwa_clid`), for conversion reports.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub click_id: Option<String>,
    /// What it was, such as `ad` or `post`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source_type: Option<String>,
    /// The id of the advertisement or post.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source_id: Option<String>,
    /// Where it is to be seen.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source_url: Option<String>,
    /// The app it was shown in, such as `instagram`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source_app: Option<String>,
    /// Its headline.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub headline: Option<String>,
    /// Its text.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub body: Option<String>,
    /// Its picture or film.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub media_url: Option<String>,
    /// A small picture of it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub thumbnail_url: Option<String>,
    /// What the advertiser had sent along.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reference: Option<String>,
}
