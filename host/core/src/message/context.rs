//! What is around a message that is sent: checked, and completed from what is stored.

use portico_api as api;

use super::send::NewContent;
use super::{Message, MessageContext, MessageStatus, Quoted, change, link};
use crate::access::authorize::DeviceAccess;
use crate::address::{Party, Recipient};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::id::MessageId;
use crate::model::media::MediaKind;
use crate::ports::Tx;

/// After how many seconds messages can disappear. WhatsApp's apps know no others.
const DISAPPEARS_AFTER: [u32; 3] = [24 * 3600, 7 * 24 * 3600, 90 * 24 * 3600];

/// What a caller wants around a message.
#[derive(Clone, Default)]
pub struct NewContext {
    /// The message it answers.
    quoted: Option<MessageId>,
    /// JIDs.
    mentions: Vec<String>,
    disappears_after: Option<u32>,
    view_once: bool,
    forwarded: Option<u32>,
    link_preview: Option<Box<api::NewLinkPreview>>,
}

/// Hides addresses: requests end up in logs.
impl std::fmt::Debug for NewContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewContext(…)")
    }
}

impl NewContext {
    /// With what a text is to show of a page.
    #[must_use]
    pub fn with_link_preview(self, link_preview: Option<Box<api::NewLinkPreview>>) -> Self {
        Self { link_preview, ..self }
    }

    /// Whether taking it means to fetch something from somewhere else first.
    pub fn is_fetched(&self) -> bool {
        self.link_preview.as_ref().is_some_and(|preview| preview.title.is_none() || preview.picture.is_some())
    }

    /// That of a message which was forwarded so often.
    pub(super) fn forwarded(count: u32) -> Self {
        Self { forwarded: Some(count), ..Self::default() }
    }

    /// That of a message which is sent once more.
    pub(super) fn again(context: &MessageContext) -> Self {
        Self {
            quoted: context.quoted.as_ref().and_then(|quoted| quoted.id.clone()),
            mentions: context.mentions.clone(),
            disappears_after: context.disappears_after,
            view_once: context.view_once,
            forwarded: context.forwarded,
            link_preview: None,
        }
    }

    /// Reads what a caller asked for.
    pub fn parse(
        quoted: Option<String>,
        mentions: Option<api::BoundedVec<String, { api::MENTIONS_MAX }>>,
        disappears_after: Option<u32>,
        view_once: bool,
    ) -> Result<Self> {
        let id = |text: String| text.parse().map_err(|_| Error::invalid("quoted", "must be the id of a message"));
        let mentions = mentions.map(api::BoundedVec::into_inner).unwrap_or_default();
        let mentions = mentions.iter().map(|who| mention(who)).collect::<Result<_>>()?;
        if disappears_after.is_some_and(|seconds| !DISAPPEARS_AFTER.contains(&seconds)) {
            return Err(Error::invalid("disappears_after", format!("must be one of {DISAPPEARS_AFTER:?} seconds")));
        }
        Ok(Self {
            quoted: quoted.map(id).transpose()?,
            mentions,
            disappears_after,
            view_once,
            forwarded: None,
            link_preview: None,
        })
    }

    /// Whether it can be around that content.
    pub(super) fn check(&self, content: &NewContent) -> Result<()> {
        let is_shown = match content {
            NewContent::Media(file) => matches!(file.kind, MediaKind::Image | MediaKind::Video | MediaKind::Voice),
            _ => false,
        };
        if self.view_once && !is_shown {
            return Err(Error::invalid("view_once", "only pictures, films and voice messages can be shown once"));
        }
        if let Some(preview) = &self.link_preview {
            let text = match content {
                NewContent::Text { text } => Some(text.as_str()),
                _ => None,
            };
            link::check(preview, text)?;
        }
        Ok(())
    }

    /// The context as it is stored, in a message of that chat.
    pub(super) async fn taken(self, device: &DeviceAccess<'_>, chat: &Party) -> Result<MessageContext> {
        let Self { quoted, mentions, disappears_after, view_once, forwarded, link_preview } = self;
        let quoted = match quoted {
            Some(id) => Some(Box::new(answered(device, id, chat.clone()).await?)),
            None => None,
        };
        let link_preview = match link_preview {
            Some(preview) => Some(Box::new(link::taken(device.tenant(), *preview).await?)),
            None => None,
        };
        Ok(MessageContext {
            quoted,
            mentions,
            forwarded,
            disappears_after,
            view_once,
            link_preview,
            ..MessageContext::default()
        })
    }
}

/// The message that is answered.
async fn answered(device: &DeviceAccess<'_>, id: MessageId, chat: Party) -> Result<Quoted> {
    let find = move |tx: &mut dyn Tx, device: &Device| {
        let fits = |message: &Message| message.status != MessageStatus::Failed && message.chat.is_same(&chat);
        match change::find(tx, device, &id) {
            Ok(message) if fits(&message) => Ok(Quoted::from(&message)),
            Ok(_) | Err(Error::NotFound { .. }) => {
                Err(Error::invalid("quoted", format!("there is no message `{id}` in this chat")))
            }
            Err(error) => Err(error),
        }
    };
    device.read(find).await
}

/// The JID of somebody who is mentioned.
fn mention(who: &str) -> Result<String> {
    match Recipient::parse("mentions", who)? {
        Recipient::Number(number) => Ok(format!("{}@s.whatsapp.net", number.digits())),
        Recipient::Lid(digits) => Ok(format!("{digits}@lid")),
        Recipient::Group(_) | Recipient::Newsletter(_) => {
            Err(Error::invalid("mentions", "must be numbers or JIDs of people"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_mentioned_by_number_or_jid() {
        let parse = |who: &str| {
            let mentions = Some(api::BoundedVec::from(vec![who.to_owned()]));
            NewContext::parse(None, mentions, None, false).map(|context| context.mentions.concat())
        };
        assert_eq!(parse("+1 555 010 0002").ok().as_deref(), Some("15550100002@s.whatsapp.net"));
        assert_eq!(parse("100000000000002@lid").ok().as_deref(), Some("100000000000002@lid"));
        assert!(parse("120363000000000001@g.us").is_err() && parse("Ada").is_err());
    }

    #[test]
    fn messages_disappear_after_the_times_phones_know() {
        assert!(NewContext::parse(None, None, Some(86_400), false).is_ok());
        assert!(NewContext::parse(None, None, Some(60), false).is_err());
    }
}
