//! Groups and communities as the server keeps them: who is in, who may do what, and how a group is described.
//!
//! Members are kept by phone number; [`describe`] names them by LID with the number beside it, as the network does.
//! Invariant: a group's lock is held for memory operations only and never together with an account's.

pub(crate) mod announce;
pub(crate) mod change;
pub(crate) mod describe;
mod rank;
pub(crate) mod state;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use whatsapp_rust::wacore_binary::{Jid, Server};

use crate::Error;
use crate::identity::random;
use crate::sync::held;
pub(crate) use rank::Rank;
use state::GroupState;

/// Digits every group id begins with; eleven random ones follow.
const ID_PREFIX: &str = "1203630";

/// One group, or a community's parent group.
pub(crate) struct Group {
    /// The digits before `@g.us`.
    pub(crate) id: String,
    state: Mutex<GroupState>,
}

impl Group {
    pub(crate) fn new(id: String, state: GroupState) -> Arc<Self> {
        Arc::new(Self { id, state: Mutex::new(state) })
    }

    /// Reads or changes the state under its lock.
    pub(crate) fn with<T>(&self, action: impl FnOnce(&mut GroupState) -> T) -> T {
        action(&mut held(&self.state))
    }

    /// The group's JID.
    pub(crate) fn jid(&self) -> Jid {
        Jid::new(self.id.as_str(), Server::Group)
    }

    /// The members' numbers.
    pub(crate) fn members(&self) -> Vec<String> {
        self.with(|state| state.members.keys().cloned().collect())
    }

    /// Whether this number is a member.
    pub(crate) fn has(&self, number: &str) -> bool {
        self.with(|state| state.members.contains_key(number))
    }
}

/// All groups, by id.
#[derive(Default)]
pub(crate) struct Groups {
    by_id: RwLock<BTreeMap<String, Arc<Group>>>,
}

impl Groups {
    /// A free id.
    pub(crate) fn fresh_id() -> String {
        format!("{ID_PREFIX}{:011}", u64::from_be_bytes(random()) % 100_000_000_000)
    }

    /// Adds a group.
    pub(crate) fn insert(&self, group: Arc<Group>, groups_max: usize) -> Result<(), Error> {
        let mut by_id = self.by_id.write().unwrap_or_else(PoisonError::into_inner);
        if by_id.len() >= groups_max {
            return Err(Error::LimitReached { limit: "groups_max" });
        }
        by_id.insert(group.id.clone(), group);
        Ok(())
    }

    /// Forgets a group.
    pub(crate) fn remove(&self, id: &str) {
        self.by_id.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// The group with this id.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<Group>> {
        self.by_id.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// The group a JID names; users and others name none.
    pub(crate) fn find_jid(&self, jid: &Jid) -> Option<Arc<Group>> {
        if jid.server == Server::Group { self.find(jid.user.as_str()) } else { None }
    }

    /// The group an invite code leads to.
    pub(crate) fn find_invite(&self, code: &str) -> Option<Arc<Group>> {
        self.all().into_iter().find(|group| group.with(|state| state.invite == code))
    }

    /// The groups linked to a community.
    pub(crate) fn linked_to(&self, parent: &str) -> Vec<Arc<Group>> {
        let all = self.all();
        all.into_iter().filter(|group| group.with(|state| state.linked_parent.as_deref() == Some(parent))).collect()
    }

    /// All groups, by id.
    pub(crate) fn all(&self) -> Vec<Arc<Group>> {
        self.by_id.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}
