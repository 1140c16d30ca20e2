//! Signing up: a stranger gets a tenant, a user and a key at once. Only for servers whose operator opened it.

use std::net::IpAddr;
use std::sync::Arc;

use super::keys::{self, MadeKey, NewKey};
use super::password::{self, Password};
use super::users::{self, Account};
use super::{Role, Scope, User};
use crate::context::{Ports, Write};
use crate::error::{Error, Result};
use crate::id::{TenantId, UserId};
use crate::model::checked_name;
use crate::model::number::Numbered;
use crate::throttle::Subject;

/// Who signs up.
#[derive(Clone)]
pub struct NewUser {
    /// What the user is called.
    pub name: String,
    /// A mobile number; this or the e-mail address is needed.
    pub mobile: Option<String>,
    /// An e-mail address.
    pub email: Option<String>,
    /// The password.
    pub password: Password,
}

/// What a sign-up made.
pub struct SignedUp {
    /// The user.
    pub user: User,
    /// The first key, which can do everything of the tenant.
    pub key: MadeKey,
}

/// Makes a tenant with its first user and its first key. `key` says how the key is spelled and whether it can be shown again.
///
/// # Errors
/// [`Error::Conflict`] with `user_exists` when somebody has the mobile number or e-mail address; [`Error::Busy`] after too
/// many sign-ups from `address`, which is that of the peer or its network.
pub async fn sign_up(ports: &Arc<Ports>, new: NewUser, key: NewKey, address: Option<IpAddr>) -> Result<SignedUp> {
    let mobile = new.mobile.as_deref().map(Account::mobile).transpose()?;
    let email = new.email.as_deref().map(Account::email).transpose()?;
    if mobile.is_none() && email.is_none() {
        return Err(Error::invalid("mobile", "or `email` must be given"));
    }
    let name = checked_name(&ports.limits, &new.name)?;
    new.password.check(&ports.limits)?;
    let tenant = ports.fresh(TenantId::new);
    let (key, secret) = keys::draft(ports, tenant.clone(), key, Scope::TENANT.to_vec())?;
    let _counted = ports.throttle.attempt(&ports.limits, ports.now(), [Subject::SignUp(address)])?;
    let accounts = [mobile.clone(), email.clone()];
    // Asked before the expensive hash, and once more when the user is stored.
    ports.read(move |tx| accounts.iter().flatten().try_for_each(|a| users::require_free(tx, a, None))).await?;
    let text = |account: Option<Account>| account.map(|account| account.as_str().to_owned());
    let user = User {
        id: ports.fresh(UserId::new),
        number: 0,
        tenant,
        name,
        mobile: text(mobile),
        email: text(email),
        password_hash: password::hash(ports, &new.password).await?,
        role: Role::Owner,
        login_version: 1,
        created_at: ports.now(),
    };
    let hash = secret.hash();
    let insert = move |tx: &mut Write<'_>| {
        let now = tx.now();
        // Names of tenants are unique, those of users are not.
        let name = format!("{} ({})", user.name, user.tenant);
        tx.tenant_insert(&user.tenant, &name, now)?;
        let user = User { number: tx.number_next(&user.tenant, Numbered::User)?, ..user };
        if !tx.user_insert(&user)? {
            return Err(users::taken());
        }
        Ok((user, keys::insert(tx, key, &hash)?))
    };
    let (user, key) = ports.write(insert).await?;
    Ok(SignedUp { user, key: MadeKey { key, secret: Some(secret) } })
}
