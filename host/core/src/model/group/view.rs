//! Groups as the REST core shows them.

use portico_api as api;

use super::{Group, GroupMember, GroupRole, JoinRequest, JoinedGroup, MadeGroup, MemberAddMode, MemberResult};

same_variants!(GroupRole, api::GroupRole: Member, Admin, Owner);
same_variants!(MemberAddMode, api::MemberAddMode: Admins, Everyone);

impl From<&GroupMember> for api::GroupMember {
    fn from(member: &GroupMember) -> Self {
        Self { party: (&member.party).into(), role: member.role.into() }
    }
}

impl From<&Group> for api::Group {
    fn from(group: &Group) -> Self {
        Self {
            id: group.id.clone(),
            subject: group.subject.clone(),
            description: group.description.clone(),
            owner: group.owner.as_ref().map(Into::into),
            created_at: group.created_at.map(Into::into),
            announce: group.announce,
            locked: group.locked,
            ephemeral_s: group.ephemeral_s,
            join_approval: group.join_approval,
            member_add: group.member_add.into(),
            is_community: group.is_community,
            community: group.community.clone(),
            size: group.size,
            participants: group.members.iter().map(Into::into).collect(),
        }
    }
}

impl From<&MemberResult> for api::MemberResult {
    fn from(result: &MemberResult) -> Self {
        Self {
            asked: result.asked.clone(),
            party: result.party.as_ref().map(Into::into),
            done: result.refused.is_none(),
            code: result.refused.clone(),
        }
    }
}

impl From<&MadeGroup> for api::MadeGroup {
    fn from(made: &MadeGroup) -> Self {
        Self { group: (&made.group).into(), results: made.results.iter().map(Into::into).collect() }
    }
}

impl From<&JoinRequest> for api::JoinRequest {
    fn from(request: &JoinRequest) -> Self {
        Self { party: (&request.party).into(), requested_at: request.requested_at.map(Into::into) }
    }
}

impl From<&JoinedGroup> for api::JoinedGroup {
    fn from(joined: &JoinedGroup) -> Self {
        Self { group: joined.group.clone(), pending: joined.pending }
    }
}
