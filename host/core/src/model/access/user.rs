//! Users: people who log in with a mobile number or an e-mail address and a password.

use crate::id::{TenantId, UserId};
use crate::time::UtcMs;

use super::Scope;

/// What a user may do within the tenant. The one place that turns roles into scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything of the tenant.
    Owner,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 1] = [Self::Owner];

    /// The name in the API and in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
        }
    }

    /// The role of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }

    /// What a user of this role may do.
    pub fn scopes(self) -> Vec<Scope> {
        match self {
            Self::Owner => Scope::TENANT.to_vec(),
        }
    }
}

/// Somebody who logs in.
#[derive(Clone)]
pub struct User {
    /// The user's id.
    pub id: UserId,
    /// The user's number within the tenant.
    pub number: u32,
    /// Whose it is.
    pub tenant: TenantId,
    /// What the user is called.
    pub name: String,
    /// Digits in international form; unique on the server.
    pub mobile: Option<String>,
    /// In lower case; unique on the server.
    pub email: Option<String>,
    /// Argon2id, as a PHC string.
    pub password_hash: String,
    /// What the user may do.
    pub role: Role,
    /// Grows when all logins made so far are to end, as with a new password.
    pub login_version: i64,
    /// When the user was made.
    pub created_at: UtcMs,
}

/// Shows neither name nor addresses nor the hash.
impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("id", &self.id).field("role", &self.role).finish_non_exhaustive()
    }
}
