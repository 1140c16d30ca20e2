//! Changes of membership and rank: who may make them and what they do. Pure rules, no sending.

use super::Rank;
use super::state::{GroupState, Member};

/// Why one member was not changed; the code goes into that member's `error` attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    /// The author may not do it.
    Forbidden,
    /// The number is no member.
    NotThere,
    /// The number is a member already.
    AlreadyThere,
    /// The group is full.
    Full,
}

impl Denied {
    /// The code on the wire.
    pub(crate) fn code(self) -> u16 {
        match self {
            Self::Forbidden => 403,
            Self::NotThere => 404,
            Self::AlreadyThere => 409,
            Self::Full => 419,
        }
    }
}

/// A change of one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Add,
    Remove,
    Promote,
    Demote,
}

impl Act {
    /// Reads the tag of a request.
    pub(crate) fn read(tag: &str) -> Option<Self> {
        match tag {
            "add" => Some(Self::Add),
            "remove" => Some(Self::Remove),
            "promote" => Some(Self::Promote),
            "demote" => Some(Self::Demote),
            _ => None,
        }
    }

    /// The tag of the request, its answer and the announcement.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Remove => "remove",
            Self::Promote => "promote",
            Self::Demote => "demote",
        }
    }
}

impl GroupState {
    /// Whether this number may add others: an admin always, a member when the group lets all add.
    pub(crate) fn may_add(&self, number: &str) -> bool {
        let all_add = self.modes.get("member_add_mode").is_some_and(|mode| mode == "all_member_add");
        self.is_admin(number) || (all_add && self.members.contains_key(number))
    }

    /// Whether this number may change what the group shows: admins, and every member while it is not locked.
    pub(crate) fn may_edit(&self, number: &str) -> bool {
        self.is_admin(number) || (!self.is("locked") && self.members.contains_key(number))
    }

    /// Changes one member on behalf of another.
    pub(crate) fn act(
        &mut self,
        act: Act,
        author: &str,
        number: &str,
        now_s: u64,
        members_max: usize,
    ) -> Result<(), Denied> {
        let allowed = if act == Act::Add { self.may_add(author) } else { self.is_admin(author) };
        if !allowed {
            return Err(Denied::Forbidden);
        }
        if act == Act::Add {
            return self.take_in(number, now_s, members_max);
        }
        let member = self.members.get_mut(number).ok_or(Denied::NotThere)?;
        if member.rank == Rank::Superadmin && author != number {
            return Err(Denied::Forbidden);
        }
        match act {
            Act::Promote => member.rank = member.rank.max(Rank::Admin),
            Act::Demote => member.rank = Rank::Member,
            Act::Remove | Act::Add => {
                self.members.remove(number);
            }
        }
        Ok(())
    }

    /// Makes a number a member.
    pub(crate) fn take_in(&mut self, number: &str, now_s: u64, members_max: usize) -> Result<(), Denied> {
        if self.members.contains_key(number) {
            return Err(Denied::AlreadyThere);
        }
        if self.members.len() >= members_max {
            return Err(Denied::Full);
        }
        self.requests.remove(number);
        self.invited.remove(number);
        self.members.insert(number.to_owned(), Member { rank: Rank::Member, joined_s: now_s });
        Ok(())
    }

    /// A member goes by itself. The last admin hands over to the member that joined first; its number is returned.
    pub(crate) fn leave(&mut self, number: &str) -> Result<Option<String>, Denied> {
        self.members.remove(number).ok_or(Denied::NotThere)?;
        if self.members.values().any(|member| member.rank >= Rank::Admin) {
            return Ok(None);
        }
        let heir = self.members.iter_mut().min_by_key(|(_, member)| member.joined_s);
        Ok(heir.map(|(number, member)| {
            member.rank = Rank::Admin;
            number.clone()
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATOR: &str = "15550100001";
    const MEMBER: &str = "15550100002";

    fn group() -> GroupState {
        let mut state = GroupState::new("Team", CREATOR, 1);
        assert_eq!(state.act(Act::Add, CREATOR, MEMBER, 2, 9), Ok(()));
        state
    }

    #[test]
    fn only_admins_change_members_and_nobody_the_creator() {
        let mut state = group();
        assert_eq!(state.act(Act::Remove, MEMBER, CREATOR, 3, 9), Err(Denied::Forbidden));
        assert_eq!(state.act(Act::Promote, CREATOR, MEMBER, 3, 9), Ok(()));
        assert_eq!(state.act(Act::Demote, MEMBER, CREATOR, 3, 9), Err(Denied::Forbidden));
        assert_eq!(state.act(Act::Add, CREATOR, MEMBER, 3, 9), Err(Denied::AlreadyThere));
        assert_eq!(state.act(Act::Remove, CREATOR, "15550100009", 3, 9), Err(Denied::NotThere));
        assert_eq!(state.act(Act::Add, CREATOR, "15550100009", 3, 2), Err(Denied::Full));
    }

    #[test]
    fn the_last_admin_hands_over() {
        let mut state = group();
        assert_eq!(state.leave(CREATOR), Ok(Some(MEMBER.to_owned())));
        assert!(state.is_admin(MEMBER));
        assert_eq!(state.leave(CREATOR), Err(Denied::NotThere));
    }

    #[test]
    fn announcements_are_for_admins_to_write() {
        let mut state = group();
        assert!(state.may_write(MEMBER));
        state.flags.insert("announcement".to_owned());
        assert!(!state.may_write(MEMBER) && state.may_write(CREATOR));
    }
}
