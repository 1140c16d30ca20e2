//! People in groups: added, removed, promoted, demoted, let in.

use portico_core::address::{Party, Recipient};
use portico_core::error::Result;
use portico_core::group::{GroupId, JoinRequest, MemberAction, MemberResult};
use portico_core::ports::whatsapp::Named;
use whatsapp_rust::features::{GroupError, ParticipantChangeResponse};
use whatsapp_rust::types::message::AddressingMode;
use whatsapp_rust::{Client, Jid};

use super::{describe, explained, jid_of, metadata};
use crate::ask;
use crate::events::party::{self, Names};
use crate::resolve;
use crate::session::Session;

/// Somebody the request is about, and the JID under which the group knows or is to know the person.
struct Target {
    party: Party,
    jid: Jid,
}

/// Does something to people; tells of each, in their order.
pub(crate) async fn act(
    session: &Session,
    group: &GroupId,
    action: MemberAction,
    members: &[Named],
) -> Result<Vec<MemberResult>> {
    let client = ask::client(session).await?;
    let acted = async {
        let mut results = Vec::with_capacity(members.len());
        let mut targets = Vec::with_capacity(members.len());
        let known = known(&client, group, action).await?;
        for named in members {
            let mut party = match &named.party {
                Some(party) => party.clone(),
                None => whom(&client, &named.who).await,
            };
            let mut target = known.target(&party);
            if target.is_none() && (party.pn.is_none() || party.lid.is_none()) {
                // WhatsApp tells of those who wait under one name only; the caller may have used the other one.
                if let Ok(found) = resolve::resolve(session, &named.who).await {
                    target = known.target(&found);
                    party = found;
                }
            }
            let refused = target.is_none().then(|| known.unknown_code().to_owned());
            results.push(MemberResult { asked: named.text.clone(), party: Some(party), refused });
            targets.extend(target);
        }
        if targets.is_empty() {
            return Ok(results);
        }
        let jids: Vec<Jid> = targets.iter().map(|target| target.jid.clone()).collect();
        let answers = match asked(&client, &jid_of(group)?, action, &jids).await {
            Ok(answers) => answers,
            Err(error) => return Err(explained(&client, group, &error).await),
        };
        for target in &targets {
            let answer = answers.iter().find(|answer| is_about(answer, target));
            let refused = answer.and_then(|answer| code(action, answer));
            let result = results.iter_mut().find(|r| r.party.as_ref().is_some_and(|p| p.is_same(&target.party)));
            if let Some(result) = result {
                result.refused = refused;
            }
        }
        Ok(results)
    };
    ask::in_time(session, acted).await
}

/// Who asks to be let in.
pub(crate) async fn requests(session: &Session, group: &GroupId) -> Result<Vec<JoinRequest>> {
    let client = ask::client(session).await?;
    let asked = async {
        let mut requests = Vec::new();
        for (party, _, at) in waiting(&client, group).await? {
            requests.push(JoinRequest { party, requested_at: at.map(describe::seconds) });
        }
        Ok(requests)
    };
    ask::in_time(session, asked).await
}

async fn asked(
    client: &Client,
    group: &Jid,
    action: MemberAction,
    jids: &[Jid],
) -> Result<Vec<ParticipantChangeResponse>, GroupError> {
    let groups = client.groups();
    match action {
        MemberAction::Add => groups.add_participants(group, jids).await,
        MemberAction::Remove => groups.remove_participants(group, jids).await,
        MemberAction::Promote => groups.promote_participants(group, jids).await,
        MemberAction::Demote => groups.demote_participants(group, jids).await,
        MemberAction::Approve => groups.approve_membership_requests(group, jids).await,
        MemberAction::Reject => groups.reject_membership_requests(group, jids).await,
    }
}

/// Whom an action can be about.
enum Known {
    /// Anybody; the group names people like this.
    Anybody(AddressingMode),
    /// These, under these JIDs.
    Members(Vec<(Party, Jid)>),
    /// Those who wait, under these JIDs.
    Waiting(Vec<(Party, Jid)>),
}

impl Known {
    fn target(&self, party: &Party) -> Option<Target> {
        let jid = match self {
            Self::Anybody(mode) => {
                let by_lid = party.lid.as_ref().filter(|_| *mode == AddressingMode::Lid);
                by_lid.or(party.pn.as_ref()).unwrap_or(&party.id).parse().ok()?
            }
            Self::Members(all) | Self::Waiting(all) => {
                all.iter().find(|(known, _)| known.is_same(party)).map(|(_, jid)| jid.clone())?
            }
        };
        Some(Target { party: party.clone(), jid })
    }

    fn unknown_code(&self) -> &'static str {
        match self {
            Self::Anybody(_) => "not_on_whatsapp",
            Self::Members(_) => "not_a_member",
            Self::Waiting(_) => "not_waiting",
        }
    }
}

async fn known(client: &std::sync::Arc<Client>, group: &GroupId, action: MemberAction) -> Result<Known> {
    if matches!(action, MemberAction::Approve | MemberAction::Reject) {
        let waiting = waiting(client, group).await?;
        return Ok(Known::Waiting(waiting.into_iter().map(|(party, jid, _)| (party, jid)).collect()));
    }
    let metadata = metadata(client, group).await?;
    if action == MemberAction::Add {
        return Ok(Known::Anybody(metadata.addressing_mode));
    }
    let mut members = Vec::with_capacity(metadata.participants.len());
    for participant in &metadata.participants {
        members.push((describe::member(client, participant).await, participant.jid.clone()));
    }
    Ok(Known::Members(members))
}

async fn waiting(client: &std::sync::Arc<Client>, group: &GroupId) -> Result<Vec<(Party, Jid, Option<u64>)>> {
    let requests = match client.groups().get_membership_requests(&jid_of(group)?).await {
        Ok(requests) => requests,
        Err(error) => return Err(explained(client, group, &error).await),
    };
    let mut waiting = Vec::with_capacity(requests.len());
    for request in requests {
        waiting.push((party::party(client, &request.jid, &[]).await, request.jid, request.request_time));
    }
    Ok(waiting)
}

/// The person a caller named, with the other name too where it is known.
async fn whom(client: &Client, who: &Recipient) -> Party {
    let names = match who {
        Recipient::Number(number) => Names { pn: Some(number.digits().to_owned()), lid: None },
        Recipient::Lid(lid) | Recipient::Group(lid) | Recipient::Newsletter(lid) => {
            Names { pn: None, lid: Some(lid.clone()) }
        }
    };
    names.complete(client).await.party().unwrap_or_else(|| Party::single(String::new()))
}

fn is_about(answer: &ParticipantChangeResponse, target: &Target) -> bool {
    let names = Names::of([Some(&answer.jid), answer.phone_number.as_ref()].into_iter().flatten());
    names.party().is_some_and(|party| party.is_same(&target.party)) || answer.jid.user == target.jid.user
}

/// Why it was not done to this person. The codes are those of `participant` nodes in answers of WhatsApp's server.
fn code(action: MemberAction, answer: &ParticipantChangeResponse) -> Option<String> {
    let code = match answer.error.as_deref()? {
        "403" if answer.add_request.is_some() => "invite_needed",
        "401" | "403" if action == MemberAction::Add => "invite_needed",
        "401" | "403" => "not_allowed",
        "404" if action == MemberAction::Add => "not_on_whatsapp",
        "404" => "not_a_member",
        "409" => "already_a_member",
        "419" => "group_full",
        _ => "refused",
    };
    Some(code.to_owned())
}
