//! Groups of the library as groups of the core.

use portico_core::address::Party;
use portico_core::group::{Group, GroupMember, GroupRole, MemberAddMode};
use portico_core::time::UtcMs;
use whatsapp_rust::features::{GroupMetadata, GroupParticipant, MemberAddMode as AddMode, ParticipantType};
use whatsapp_rust::{Client, Jid};

use crate::events::party;

/// The group; people under both names where both are known.
pub(super) async fn group(client: &Client, of: &GroupMetadata) -> Group {
    let mut members = Vec::with_capacity(of.participants.len());
    for participant in &of.participants {
        members.push(GroupMember { party: member(client, participant).await, role: role(participant) });
    }
    let owner = match &of.creator {
        Some(creator) => Some(party::party(client, creator, &[of.creator_pn.as_ref()]).await),
        None => None,
    };
    Group {
        id: of.id.to_non_ad_string(),
        subject: of.subject.clone(),
        description: of.description.clone().filter(|text| !text.is_empty()),
        owner,
        created_at: of.creation_time.map(seconds),
        announce: of.is_announcement,
        locked: of.is_locked,
        ephemeral_s: of.ephemeral.as_ref().and_then(|timer| timer.expiration).unwrap_or(0),
        join_approval: of.membership_approval,
        member_add: match of.member_add_mode {
            Some(AddMode::AllMemberAdd) => MemberAddMode::Everyone,
            Some(AddMode::AdminAdd) | None => MemberAddMode::Admins,
        },
        is_community: of.is_parent_group,
        community: of.parent_group_jid.as_ref().map(Jid::to_non_ad_string),
        size: of.size.unwrap_or_else(|| u32::try_from(members.len()).unwrap_or(u32::MAX)),
        members,
    }
}

/// Who a member is.
pub(super) async fn member(client: &Client, of: &GroupParticipant) -> Party {
    party::party(client, &of.jid, &[of.phone_number.as_ref(), of.lid.as_ref()]).await
}

fn role(of: &GroupParticipant) -> GroupRole {
    match of.participant_type {
        ParticipantType::Member => GroupRole::Member,
        ParticipantType::Admin => GroupRole::Admin,
        ParticipantType::SuperAdmin => GroupRole::Owner,
    }
}

/// Seconds since 1970, as WhatsApp counts.
pub(super) fn seconds(at: u64) -> UtcMs {
    UtcMs(i64::try_from(at).unwrap_or(i64::MAX / 1_000).saturating_mul(1_000))
}
