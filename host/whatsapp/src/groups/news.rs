//! What WhatsApp tells of changes in groups, as facts for the core.

use portico_core::address::Party;
use portico_core::group::{GroupNews, GroupUpdate};
use portico_core::ports::whatsapp::Fact;
use portico_core::time::UtcMs;
use serde_json::{Value, json};
use whatsapp_rust::types::events::{GroupUpdate as Event, PictureUpdate};
use whatsapp_rust::wacore::stanza::groups::{GroupNotificationAction as Action, GroupParticipantInfo};
use whatsapp_rust::{Client, Jid, Server};

use crate::events::party;

/// What an action comes to.
struct Told {
    news: GroupNews,
    action: String,
    members: Vec<Party>,
    value: Option<Value>,
}

/// The fact of one change.
pub(crate) async fn of(client: &Client, event: &Event) -> Option<Fact> {
    let told = told(client, event).await;
    let actor = match &event.participant {
        Some(actor) => Some(party::party(client, actor, &[event.participant_pn.as_ref()]).await),
        None => None,
    };
    let at = UtcMs(event.timestamp.timestamp_millis());
    // Notifications are repeated under their id until they are acknowledged; one may hold several actions.
    let notification = event.notification_id.clone().unwrap_or_else(|| at.0.to_string());
    Some(Fact::Group(GroupUpdate {
        key: format!("{}/{notification}/{}", event.group_jid.user, event.action_index),
        news: told.news,
        group: event.group_jid.to_non_ad_string(),
        action: told.action,
        actor,
        members: told.members,
        value: told.value,
        at,
    }))
}

/// The fact of a group's new picture; people's pictures are not told of.
pub(crate) async fn picture(client: &Client, event: &PictureUpdate) -> Option<Fact> {
    if event.jid.server != Server::Group {
        return None;
    }
    let actor = match &event.author {
        Some(author) => Some(party::party(client, author, &[]).await),
        None => None,
    };
    let at = UtcMs(event.timestamp.timestamp_millis());
    Some(Fact::Group(GroupUpdate {
        key: format!("{}/picture/{}/{}", event.jid.user, event.picture_id.as_deref().unwrap_or("none"), at.0),
        news: GroupNews::Updated,
        group: event.jid.to_non_ad_string(),
        action: "picture".to_owned(),
        actor,
        members: Vec::new(),
        value: Some(json!(!event.removed)),
        at,
    }))
}

impl Told {
    /// The group itself changed.
    fn updated(action: &str, value: Option<Value>) -> Self {
        Self { news: GroupNews::Updated, action: action.to_owned(), members: Vec::new(), value }
    }

    /// Something happened to people.
    fn of(news: GroupNews, action: &str, members: Vec<Party>) -> Self {
        Self { news, action: action.to_owned(), members, value: None }
    }
}

async fn told(client: &Client, event: &Event) -> Told {
    match &event.action {
        Action::Create { .. } => Told::of(GroupNews::Joined, "created", Vec::new()),
        Action::Delete { .. } => Told::of(GroupNews::Left, "deleted", Vec::new()),
        Action::Add { participants, .. } => people(client, "added", Some(GroupNews::Joined), participants).await,
        Action::Remove { participants, .. } => people(client, "removed", Some(GroupNews::Left), participants).await,
        Action::Promote { participants } => people(client, "promoted", None, participants).await,
        Action::Demote { participants } => people(client, "demoted", None, participants).await,
        Action::Modify { participants } => people(client, "modified", None, participants).await,
        Action::MembershipApprovalRequest { .. } => {
            let members = match &event.participant {
                Some(asks) => vec![party::party(client, asks, &[event.participant_pn.as_ref()]).await],
                None => Vec::new(),
            };
            Told::of(GroupNews::Requests, "requested", members)
        }
        Action::CreatedMembershipRequests { requests, .. } => {
            Told::of(GroupNews::Requests, "requested", parties(client, requests).await)
        }
        Action::RevokedMembershipRequests { participants } => {
            let mut members = Vec::with_capacity(participants.len());
            for jid in participants {
                members.push(party::party(client, jid, &[]).await);
            }
            Told::of(GroupNews::Requests, "requests_ended", members)
        }
        setting => updated(setting),
    }
}

/// What the group itself is now.
fn updated(setting: &Action) -> Told {
    let (action, value) = match setting {
        Action::Subject { subject, .. } => ("subject", json!(subject)),
        Action::Description { description, .. } => ("description", json!(description.as_deref().unwrap_or_default())),
        Action::Locked { .. } => ("locked", json!(true)),
        Action::Unlocked => ("locked", json!(false)),
        Action::Announce => ("announce", json!(true)),
        Action::NotAnnounce => ("announce", json!(false)),
        Action::Ephemeral { expiration, .. } => ("ephemeral", json!(expiration)),
        Action::MembershipApprovalMode { enabled } => ("join_approval", json!(enabled)),
        Action::MemberAddMode { mode } if mode == "all_member_add" => ("member_add", json!("everyone")),
        Action::MemberAddMode { .. } => ("member_add", json!("admins")),
        Action::RevokeInvite => return Told::updated("invite_revoked", None),
        other => return Told::updated(other.tag_name(), None),
    };
    Told::updated(action, Some(value))
}

/// Something happened to people; it is `own` news when the account itself is among them.
async fn people(client: &Client, action: &str, own: Option<GroupNews>, people: &[GroupParticipantInfo]) -> Told {
    let mine: Vec<Jid> = [client.pn(), client.lid()].into_iter().flatten().collect();
    let is_me = |jid: &Jid| mine.iter().any(|me| me.user == jid.user && me.server == jid.server);
    let has_me = people.iter().any(|one| is_me(&one.jid) || one.phone_number.as_ref().is_some_and(is_me));
    let news = own.filter(|_| has_me).unwrap_or(GroupNews::Members);
    Told::of(news, action, parties(client, people).await)
}

async fn parties(client: &Client, people: &[GroupParticipantInfo]) -> Vec<Party> {
    let mut parties = Vec::with_capacity(people.len());
    for one in people {
        parties.push(party::party(client, &one.jid, &[one.phone_number.as_ref(), one.lid.as_ref()]).await);
    }
    parties
}
