//! Messages as the REST core shows them.

use portico_api as api;

use super::{
    Change, Content, Direction, LinkPreview, Message, MessageStatus, Quoted, Reaction, Referral, Rich, SendFailure,
    StatusTimes, Vote,
};
use crate::address::Party;
use crate::error::{Error, Result};
use crate::model::media;

same_variants!(Direction, api::Direction: In, Out);
same_variants!(MessageStatus, api::MessageStatus: Queued, Sent, Delivered, Read, Played, Failed, Received);

impl From<&Party> for api::Party {
    fn from(party: &Party) -> Self {
        Self { id: party.id.clone(), pn: party.pn.clone(), lid: party.lid.clone() }
    }
}

fn content(message: &Message) -> api::Content {
    match &message.content {
        Content::Text { text } => api::Content::Text { text: text.clone() },
        Content::Media(media) => media::view::in_message(message, media),
        Content::Rich(rich) => (&**rich).into(),
        // As itself it is shown as a change (`MessageChange`).
        Content::Change(changing) => {
            let text = changing.change.text().map(str::to_owned);
            api::Content::Other { kind: changing.change.kind().to_owned(), text }
        }
        Content::Other { kind, text } => api::Content::Other { kind: kind.clone(), text: text.clone() },
    }
}

impl From<&SendFailure> for api::SendFailure {
    fn from(failure: &SendFailure) -> Self {
        Self { code: failure.code.clone(), text: failure.text.clone() }
    }
}

impl From<&StatusTimes> for api::StatusTimes {
    fn from(times: &StatusTimes) -> Self {
        Self {
            sent: times.sent.map(Into::into),
            delivered: times.delivered.map(Into::into),
            read: times.read.map(Into::into),
            played: times.played.map(Into::into),
            failed: times.failed.map(Into::into),
        }
    }
}

impl From<&Message> for api::Message {
    fn from(message: &Message) -> Self {
        Self {
            id: message.id.to_string(),
            device: message.device.to_string(),
            direction: message.direction.into(),
            chat: (&message.chat).into(),
            sender: message.sender.as_ref().map(Into::into),
            sender_name: message.sender_name.clone(),
            whatsapp_id: message.whatsapp_id.clone(),
            content: content(message),
            status: message.status.into(),
            error: message.error.as_ref().map(Into::into),
            created_at: message.created_at.into(),
            timestamp: message.timestamp.into(),
            times: (&message.times).into(),
            quoted: message.context.quoted.as_deref().map(Into::into),
            mentions: message.context.mentions.clone(),
            forwarded: message.context.forwarded,
            disappears_after: message.context.disappears_after,
            view_once: message.context.view_once,
            link_preview: message.context.link_preview.as_deref().map(|preview| Box::new(preview.into())),
            referral: message.context.referral.as_deref().map(|referral| Box::new(referral.into())),
            reactions: message.state.reactions.iter().map(Into::into).collect(),
            votes: votes(message),
            results: results(message),
            edited_at: message.state.edited_at.map(Into::into),
            original: message.state.original.clone(),
            starred: message.state.starred,
            pinned_until: message.state.pinned_until.map(Into::into),
            revoked_at: message.state.revoked_at.map(Into::into),
        }
    }
}

impl From<&Quoted> for api::Quoted {
    fn from(quoted: &Quoted) -> Self {
        Self {
            message: quoted.id.as_ref().map(ToString::to_string),
            whatsapp_id: quoted.whatsapp_id.clone(),
            author: quoted.author.as_ref().map(Into::into),
            kind: quoted.kind.clone(),
            text: quoted.text.clone(),
        }
    }
}

impl From<&LinkPreview> for api::LinkPreview {
    fn from(preview: &LinkPreview) -> Self {
        let LinkPreview { url, title, description, .. } = preview.clone();
        Self { url, title, description }
    }
}

impl From<&Referral> for api::Referral {
    fn from(referral: &Referral) -> Self {
        let Referral { click_id, source_type, source_id, source_url, source_app, .. } = referral.clone();
        let Referral { headline, body, media_url, thumbnail_url, reference, .. } = referral.clone();
        Self {
            click_id,
            source_type,
            source_id,
            source_url,
            source_app,
            headline,
            body,
            media_url,
            thumbnail_url,
            reference,
        }
    }
}

/// The answers of the poll that the message is.
fn options(message: &Message) -> &[String] {
    match &message.content {
        Content::Rich(rich) => match &**rich {
            Rich::Poll(poll) => &poll.options,
            _ => &[],
        },
        _ => &[],
    }
}

fn votes(message: &Message) -> Vec<api::Vote> {
    let options = options(message);
    let shown = |vote: &Vote| api::Vote {
        by: vote.by.as_ref().map(Into::into),
        options: vote.options.iter().filter_map(|place| options.get(*place).cloned()).collect(),
        at: vote.at.into(),
    };
    message.state.votes.iter().map(shown).collect()
}

fn results(message: &Message) -> Vec<api::PollResult> {
    let votes = &message.state.votes;
    let count = |place: usize| votes.iter().filter(|vote| vote.options.contains(&place)).count();
    let shown = |(place, option): (usize, &String)| api::PollResult {
        option: option.clone(),
        votes: u32::try_from(count(place)).unwrap_or(u32::MAX),
    };
    options(message).iter().enumerate().map(shown).collect()
}

impl From<&Reaction> for api::Reaction {
    fn from(reaction: &Reaction) -> Self {
        Self { by: reaction.by.as_ref().map(Into::into), emoji: reaction.emoji.clone(), at: reaction.at.into() }
    }
}

impl From<&Change> for api::Change {
    fn from(change: &Change) -> Self {
        match change {
            Change::Reaction { emoji } => Self::Reaction { emoji: emoji.clone() },
            Change::Edit { text } => Self::Edit { text: text.clone() },
            Change::Vote { options } => Self::Vote { options: options.clone() },
            Change::Pin { seconds } => Self::Pin { seconds: *seconds },
            Change::Revoke => Self::Revoke,
        }
    }
}

/// A row that changes a message, as a change. Fails for a message of its own.
impl TryFrom<&Message> for api::MessageChange {
    type Error = Error;

    fn try_from(row: &Message) -> Result<Self> {
        let Content::Change(changing) = &row.content else {
            return Err(Error::internal("showing a change", "the message is none"));
        };
        Ok(Self {
            id: row.id.to_string(),
            message: changing.of.id.to_string(),
            change: (&changing.change).into(),
            by: row.sender.as_ref().map(Into::into),
            at: row.timestamp.into(),
            status: row.status.into(),
            error: row.error.as_ref().map(Into::into),
        })
    }
}

serialized_as_view!(Message, api::Message);
