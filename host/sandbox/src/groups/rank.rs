//! What a member may do.

use serde::{Deserialize, Serialize};

/// A member's standing. The order is that of power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Rank {
    /// May write.
    Member,
    /// May change the group and its members.
    Admin,
    /// The creator; nobody can demote it.
    Superadmin,
}

impl Rank {
    /// The word on the wire; an ordinary member has none.
    pub(crate) fn word(self) -> Option<&'static str> {
        match self {
            Self::Member => None,
            Self::Admin => Some("admin"),
            Self::Superadmin => Some("superadmin"),
        }
    }
}
