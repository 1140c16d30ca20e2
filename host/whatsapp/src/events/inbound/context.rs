//! What is around a message of the library, as the core's `MessageContext`.

use portico_core::message::{LinkPreview, MessageContext, Quoted, Referral};
use whatsapp_rust::wacore::proto_helpers::MessageExt;
use whatsapp_rust::waproto::whatsapp::context_info::ExternalAdReplyInfo;
use whatsapp_rust::waproto::whatsapp::{ContextInfo, Message};
use whatsapp_rust::{Client, Jid};

use super::content;
use crate::events::party;

/// Mentions that are kept; a group has no more members.
const MENTIONS_MAX: usize = 1_024;
/// Characters of one text of an advertisement or a preview that are kept.
const REFERRAL_CHARS_MAX: usize = 4_096;

/// What is around the message.
pub(super) async fn of(client: &Client, message: &Message) -> MessageContext {
    let view_once = message.is_view_once();
    let message = content::unwrapped(message);
    let link_preview = link_preview(message).map(Box::new);
    let Some(info) = info(message) else {
        return MessageContext { view_once, link_preview, ..MessageContext::default() };
    };
    MessageContext {
        quoted: quoted(client, info).await.map(Box::new),
        mentions: info.mentioned_jid.iter().take(MENTIONS_MAX).cloned().collect(),
        forwarded: (info.is_forwarded == Some(true)).then(|| info.forwarding_score.unwrap_or(1)),
        disappears_after: info.expiration.filter(|seconds| *seconds > 0),
        view_once,
        link_preview,
        referral: info.external_ad_reply.as_option().and_then(referral).map(Box::new),
    }
}

/// The context in whichever part of the message has one.
fn info(message: &Message) -> Option<&ContextInfo> {
    macro_rules! first {
        ($($part:ident)*) => {
            None$(.or_else(|| message.$part.as_option().and_then(|part| part.context_info.as_option())))*
        };
    }
    first!(
        extended_text_message image_message video_message ptv_message audio_message document_message sticker_message
        location_message live_location_message contact_message contacts_array_message buttons_message
        buttons_response_message list_message list_response_message template_message template_button_reply_message
        interactive_message interactive_response_message poll_creation_message poll_creation_message_v2
        poll_creation_message_v3 product_message order_message group_invite_message event_message
    )
}

/// What a text shows of a page.
fn link_preview(message: &Message) -> Option<LinkPreview> {
    let text = message.extended_text_message.as_option()?;
    let kept = |text: &Option<String>| {
        let text = text.as_deref().filter(|text| !text.is_empty())?;
        Some(text.chars().take(REFERRAL_CHARS_MAX).collect::<String>())
    };
    let (url, title) = (kept(&text.matched_text)?, kept(&text.title)?);
    Some(LinkPreview { url, title, description: kept(&text.description), picture: None })
}

async fn quoted(client: &Client, info: &ContextInfo) -> Option<Quoted> {
    let whatsapp_id = info.stanza_id.clone().filter(|id| !id.is_empty())?;
    let author: Option<Jid> = info.participant.as_deref().and_then(|jid| jid.parse().ok());
    let is_own = |jid: &Jid| [client.pn(), client.lid()].iter().flatten().any(|own| own.user == jid.user);
    let author = match author {
        Some(jid) if !is_own(&jid) => Some(party::party(client, &jid, &[]).await),
        _ => None,
    };
    let said = info.quoted_message.as_option().and_then(content::of);
    let kind = said.as_ref().map_or("unknown", |content| content.kind()).to_owned();
    let text = said.as_ref().and_then(|content| content.text()).map(Quoted::shortened);
    Some(Quoted { id: None, whatsapp_id, author, kind, text })
}

/// An advertisement. Bots use the same part for links, which have neither click nor source.
fn referral(ad: &ExternalAdReplyInfo) -> Option<Referral> {
    let kept = |text: &Option<String>| {
        let text = text.as_deref().filter(|text| !text.is_empty())?;
        Some(text.chars().take(REFERRAL_CHARS_MAX).collect::<String>())
    };
    let (click_id, source_id) = (kept(&ad.ctwa_clid), kept(&ad.source_id));
    if click_id.is_none() && source_id.is_none() {
        return None;
    }
    Some(Referral {
        click_id,
        source_id,
        source_type: kept(&ad.source_type),
        source_url: kept(&ad.source_url),
        source_app: kept(&ad.source_app),
        headline: kept(&ad.title),
        body: kept(&ad.body),
        media_url: kept(&ad.media_url),
        thumbnail_url: kept(&ad.thumbnail_url),
        reference: kept(&ad.r#ref),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_a_click_or_a_source_is_an_advertisement() {
        let link = ExternalAdReplyInfo { title: Some("A shop".to_owned()), ..Default::default() };
        assert_eq!(referral(&link), None);
        let ad = ExternalAdReplyInfo { ctwa_clid: Some("click-1".to_owned()), ..link };
        let referral = referral(&ad).expect("an advertisement");
        assert_eq!((referral.click_id.as_deref(), referral.headline.as_deref()), (Some("click-1"), Some("A shop")));
    }
}
