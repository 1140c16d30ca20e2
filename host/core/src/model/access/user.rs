//! Users: people who log in with a mobile number or an e-mail address and a password.

use crate::id::{DeviceId, TenantId, UserId};
use crate::time::UtcMs;

use super::Scope;

/// What a user may do within the tenant. The one place that turns roles into scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything of the tenant. Only an owner makes, changes or removes owners.
    Owner,
    /// Everything of the tenant.
    Admin,
    /// Devices and messages, and the agents that the manager made.
    Manager,
    /// Messages of the devices that are assigned to the agent.
    Agent,
    /// Looks at the devices that are assigned to the viewer, and at their messages.
    Viewer,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [Self::Owner, Self::Admin, Self::Manager, Self::Agent, Self::Viewer];

    /// The roles that may do everything of the tenant. One user at least has one of them.
    pub const ADMINS: [Self; 2] = [Self::Owner, Self::Admin];

    /// The name in the API and in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Manager => "manager",
            Self::Agent => "agent",
            Self::Viewer => "viewer",
        }
    }

    /// The role of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }

    /// What a user of this role may do.
    pub fn scopes(self) -> Vec<Scope> {
        use Scope as S;
        match self {
            Self::Owner | Self::Admin => Scope::TENANT.to_vec(),
            Self::Manager => vec![
                S::DevicesRead,
                S::DevicesWrite,
                S::MessagesRead,
                S::MessagesWrite,
                S::WebhooksRead,
                S::MembersWrite,
                S::AnalyticsRead,
            ],
            Self::Agent => vec![S::DevicesRead, S::MessagesRead, S::MessagesWrite],
            Self::Viewer => vec![S::DevicesRead, S::MessagesRead, S::AnalyticsRead],
        }
    }

    /// Whether a user of this role reaches the devices that are assigned to the user, and no others.
    pub fn reaches_assigned_only(self) -> bool {
        match self {
            Self::Owner | Self::Admin | Self::Manager => false,
            Self::Agent | Self::Viewer => true,
        }
    }

    /// Whether a user of this role may make, change and remove members of the other one. A manager may do so with the agents
    /// that it made itself.
    pub fn manages(self, other: Self) -> bool {
        match self {
            Self::Owner => true,
            Self::Admin => other != Self::Owner,
            Self::Manager => other == Self::Agent,
            Self::Agent | Self::Viewer => false,
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
    /// Who made the user; absent for the first one of a tenant, and for those who were made with a key.
    pub made_by: Option<UserId>,
    /// When the user logged in last.
    pub last_login: Option<UtcMs>,
}

/// A user as a member of the tenant: with the devices that are assigned.
#[derive(Clone, Debug)]
pub struct Member {
    /// The user.
    pub user: User,
    /// The devices that are assigned, in the order of their ids. Only some roles make a difference of it
    /// ([`Role::reaches_assigned_only`]).
    pub devices: Vec<DeviceId>,
}

/// Shows neither name nor addresses nor the hash.
impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("id", &self.id).field("role", &self.role).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_role_manages_one_that_may_do_more() {
        for role in Role::ALL {
            for other in Role::ALL.into_iter().filter(|other| role.manages(*other)) {
                let scopes = role.scopes();
                assert!(other.scopes().iter().all(|scope| scopes.contains(scope)), "{role:?} manages {other:?}");
            }
            assert!(!role.scopes().contains(&Scope::ServerAdmin), "{role:?}");
        }
        assert!(!Role::Admin.manages(Role::Owner) && Role::Owner.manages(Role::Owner));
    }
}
