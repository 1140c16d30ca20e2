//! Users in the store.

use crate::error::Result;
use crate::id::{DeviceId, TenantId, UserId};
use crate::model::access::{Role, User};
use crate::page::PageRequest;
use crate::time::UtcMs;

/// Users.
pub trait UserTx {
    /// Adds a user; `false` when another one has the mobile number or the e-mail address.
    fn user_insert(&mut self, user: &User) -> Result<bool>;

    /// A user of a tenant.
    fn user_find(&mut self, tenant: &TenantId, id: &UserId) -> Result<Option<User>>;

    /// The user with that mobile number, of any tenant: this is how a tenant is found out.
    fn user_find_by_mobile(&mut self, mobile: &str) -> Result<Option<User>>;

    /// The user with that e-mail address, of any tenant: this is how a tenant is found out.
    fn user_find_by_email(&mut self, email: &str) -> Result<Option<User>>;

    /// Users, newest first; one more than asked for where there are more.
    fn user_list(&mut self, tenant: &TenantId, page: &PageRequest) -> Result<Vec<User>>;

    /// How many users a tenant has.
    fn user_count(&mut self, tenant: &TenantId) -> Result<u32>;

    /// A user logged in.
    fn user_logged_in(&mut self, tenant: &TenantId, id: &UserId, at: UtcMs) -> Result<()>;

    /// Removes a user; `false` when there is none.
    fn user_remove(&mut self, tenant: &TenantId, id: &UserId) -> Result<bool>;

    /// How many users of a tenant have one of these roles. Whoever asks at the same time to change that waits for this
    /// transaction.
    fn user_count_of(&mut self, tenant: &TenantId, roles: &[Role]) -> Result<u32>;

    /// The devices that are assigned to a user, in the order of their ids.
    fn user_devices(&mut self, tenant: &TenantId, id: &UserId) -> Result<Vec<DeviceId>>;

    /// Assigns these devices to a user, and no others.
    fn user_devices_set(&mut self, tenant: &TenantId, id: &UserId, devices: &[DeviceId]) -> Result<()>;

    /// Gives a user the name, accounts, password, role and version of logins it has here; `false` when there is none.
    fn user_change(&mut self, user: &User) -> Result<bool>;
}
