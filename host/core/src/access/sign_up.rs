//! Signing up: a stranger gets a tenant, a user and a key at once. Only for servers whose operator opened it.

use std::net::IpAddr;
use std::sync::Arc;

use portico_api as api;

use super::keys::{self, MadeKey, NewKey};
use super::password::{self, Password};
use super::users::{self, Account};
use super::{Role, Scope, Tenant, User};
use crate::context::idempotency::{Idempotency, Shown};
use crate::context::{Ports, Write};
use crate::error::{Error, Result};
use crate::id::{TenantId, UserId};
use crate::model::checked_name;
use crate::model::number::Numbered;
use crate::ports::Tx;
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
    /// What the organization is called; `None`: as the user.
    pub organization: Option<String>,
}

/// Makes a tenant with its first user and its first key. `key` says how the key is spelled and whether it can be shown again.
///
/// A repetition under the same `Idempotency-Key` is answered as the first one was. It finds what is kept by the user, whom
/// the first one made: before there is a user, no tenant is there that could keep anything.
///
/// # Errors
/// [`Error::Conflict`] with `user_exists` when somebody has the mobile number or e-mail address; [`Error::Busy`] after too
/// many sign-ups from `address`, which is that of the peer or its network.
pub async fn sign_up(
    ports: &Arc<Ports>,
    new: NewUser,
    key: NewKey,
    address: Option<IpAddr>,
    idempotency: Option<&Idempotency>,
) -> Result<api::SignedUp> {
    let mobile = new.mobile.as_deref().map(Account::mobile).transpose()?;
    let email = new.email.as_deref().map(Account::email).transpose()?;
    if mobile.is_none() && email.is_none() {
        return Err(Error::invalid("mobile", "or `email` must be given"));
    }
    let name = checked_name(&ports.limits, &new.name)?;
    let organization = match &new.organization {
        Some(organization) => checked_name(&ports.limits, organization).map_err(|_| {
            let most = ports.limits.name_chars_max;
            Error::invalid("organization", format!("must have 1 to {most} characters and not only blanks"))
        })?,
        None => name.clone(),
    };
    new.password.check(&ports.limits)?;
    let tenant = ports.fresh(TenantId::new);
    let (key, secret) = keys::draft(ports, tenant.clone(), key, Scope::TENANT.to_vec())?;
    let _counted = ports.throttle.attempt(&ports.limits, ports.now(), [Subject::SignUp(address)])?;
    let accounts: Vec<Account> = [mobile.clone(), email.clone()].into_iter().flatten().collect();
    // Asked before the expensive hash, and once more when the user is stored.
    if let Some(answer) = answered_before(ports, accounts.clone(), idempotency).await? {
        return Ok(answer);
    }
    let text = |account: Option<Account>| account.map(|account| account.as_str().to_owned());
    let now = ports.now();
    let user = User {
        id: ports.fresh(UserId::new),
        number: 0,
        tenant: tenant.clone(),
        name,
        mobile: text(mobile),
        email: text(email),
        password_hash: password::hash(ports, &new.password).await?,
        role: Role::Owner,
        login_version: 1,
        created_at: now,
        made_by: None,
        last_login: None,
    };
    // Names of tenants are unique, those of organizations are not. And a name alone must lead nobody to a stranger's tenant:
    // preset tokens find theirs by name.
    let tenant = Tenant { name: format!("{organization} ({tenant})"), id: tenant, created_at: now };
    let tenant_row = tenant.clone();
    let hash = secret.hash();
    let insert = move |tx: &mut Write<'_>| {
        let user = User { number: tx.number_next(&user.tenant, Numbered::User)?, ..user };
        if !tx.user_insert(&user)? {
            return Err(users::taken());
        }
        let key = MadeKey { key: keys::insert(tx, key, &hash)?, secret };
        Ok(Shown(api::SignedUp { tenant: (&tenant).into(), user: (&user).into(), key: (&key).into() }))
    };
    let kept = idempotency.cloned();
    let made = ports.write(move |tx| {
        tx.tenant_insert(&tenant_row.id, &tenant_row.name, now)?;
        match kept {
            Some(idempotency) => idempotency.once(tx, &tenant_row.id, insert),
            None => insert(tx),
        }
    });
    match made.await {
        Ok(made) => Ok(made.into_inner()),
        // A repetition that came at the same time may have been quicker.
        Err(Error::Conflict { code: users::USER_EXISTS, why }) => match idempotency {
            Some(_) => answered_before(ports, accounts, idempotency).await?.ok_or_else(users::taken),
            None => Err(Error::Conflict { code: users::USER_EXISTS, why }),
        },
        Err(other) => Err(other),
    }
}

/// Refuses accounts that somebody has, unless the request repeats the one that gave them to that user: then gives its answer.
async fn answered_before(
    ports: &Ports,
    accounts: Vec<Account>,
    idempotency: Option<&Idempotency>,
) -> Result<Option<api::SignedUp>> {
    let (idempotency, sealer) = (idempotency.cloned(), ports.sealer.clone());
    let look = move |tx: &mut dyn Tx| {
        let mut found = None;
        for account in &accounts {
            found = account.find(tx)?.or(found);
        }
        let Some(user) = found else { return Ok(None) };
        let before = match idempotency {
            // Another request under the same key is told what any other one would be: that the user exists.
            Some(idempotency) => match idempotency.answered_before::<Shown<api::SignedUp>>(tx, &user.tenant, &sealer) {
                Err(Error::Conflict { .. }) => None,
                other => other?,
            },
            None => None,
        };
        before.map(|answer| Some(answer.into_inner())).ok_or_else(users::taken)
    };
    ports.read(look).await
}
