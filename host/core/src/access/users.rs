//! Users: what identifies them, looking at oneself, changing oneself, and the users of a tenant.

use super::User;
use super::authorize::Action;
use super::password;
use crate::address::PhoneNumber;
use crate::context::Write;
use crate::context::{OpContext, Ports};
use crate::error::{Error, Result};
use crate::id::{TenantId, UserId};
use crate::model::checked_name;
use crate::page::{Page, PageRequest};
use crate::ports::Tx;
use crate::throttle::Subject;

pub use super::password::Password;

/// Bytes of an e-mail address at most (RFC 5321).
const EMAIL_BYTES_MAX: usize = 254;

/// What a user logs in with besides the password, in the form in which it is stored.
#[derive(Clone, PartialEq, Eq)]
pub enum Account {
    /// A mobile number, digits in international form.
    Mobile(String),
    /// An e-mail address in lower case.
    Email(String),
}

impl Account {
    /// Reads a mobile number.
    pub fn mobile(text: &str) -> Result<Self> {
        Ok(Self::Mobile(PhoneNumber::parse("mobile", text)?.digits().to_owned()))
    }

    /// Reads an e-mail address. Whether mail arrives there is not asked.
    pub fn email(text: &str) -> Result<Self> {
        let email = text.trim().to_lowercase();
        let is_plausible = email.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && domain.contains('.') && !domain.starts_with('.') && !domain.ends_with('.')
        });
        let is_plain = !email.chars().any(|c| c.is_whitespace() || c.is_control()) && email.matches('@').count() == 1;
        if is_plausible && is_plain && email.len() <= EMAIL_BYTES_MAX {
            return Ok(Self::Email(email));
        }
        Err(Error::invalid("email", "must be an e-mail address such as ada@example.com"))
    }

    /// The one of both that a caller gave.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is none, both, or can't be one.
    pub fn one_of(mobile: Option<&str>, email: Option<&str>) -> Result<Self> {
        match (mobile, email) {
            (Some(mobile), None) => Self::mobile(mobile),
            (None, Some(email)) => Self::email(email),
            _ => Err(Error::invalid("mobile", "or `email` must be given, and not both")),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Mobile(text) | Self::Email(text) => text,
        }
    }

    pub(super) fn find(&self, tx: &mut dyn Tx) -> Result<Option<User>> {
        match self {
            Self::Mobile(mobile) => tx.user_find_by_mobile(mobile),
            Self::Email(email) => tx.user_find_by_email(email),
        }
    }

    pub(crate) fn set(self, user: &mut User) {
        match self {
            Self::Mobile(mobile) => user.mobile = Some(mobile),
            Self::Email(email) => user.email = Some(email),
        }
    }
}

/// What is to change of a user; what is `None` stays.
#[derive(Clone, Default)]
pub struct UserPatch {
    /// What the user is called.
    pub name: Option<String>,
    /// Another mobile number.
    pub mobile: Option<String>,
    /// Another e-mail address.
    pub email: Option<String>,
    /// Another password. It ends all logins made so far.
    pub password: Option<Password>,
    /// The present password, without which neither the password nor the account is changed.
    pub current_password: Option<Password>,
}

/// The user who logged in.
pub async fn me(ctx: &OpContext) -> Result<User> {
    let (access, id) = ctx.own_user()?;
    let id = id.clone();
    access.read(move |tx, tenant| find(tx, tenant, &id)).await
}

/// Changes the user who logged in.
pub async fn change_me(ctx: &OpContext, patch: UserPatch) -> Result<User> {
    let (access, id) = ctx.own_user()?;
    let (ports, id) = (access.ports(), id.clone());
    let mobile = patch.mobile.as_deref().map(Account::mobile).transpose()?;
    let email = patch.email.as_deref().map(Account::email).transpose()?;
    let accounts: Vec<_> = [mobile, email].into_iter().flatten().collect();
    let name = patch.name.map(|name| checked_name(ctx.limits(), &name)).transpose()?;
    if let Some(password) = &patch.password {
        password.check(ctx.limits())?;
    }
    if patch.password.is_some() || !accounts.is_empty() {
        require_password(ports, &me(ctx).await?, patch.current_password.as_ref()).await?;
    }
    let hash = match &patch.password {
        Some(password) => Some(password::hash(ports, password).await?),
        None => None,
    };
    let change = move |tx: &mut Write<'_>, tenant: &TenantId| {
        let mut user = find(&mut **tx, tenant, &id)?;
        for account in accounts {
            require_free(&mut **tx, &account, Some(&user.id))?;
            account.set(&mut user);
        }
        if let Some(name) = name {
            user.name = name;
        }
        if let Some(hash) = hash {
            user.password_hash = hash;
            user.login_version += 1;
        }
        tx.user_change(&user)?;
        Ok(user)
    };
    access.write(change).await
}

/// The users of the caller's tenant, newest first.
pub async fn list(ctx: &OpContext, page: PageRequest) -> Result<Page<User>> {
    let access = ctx.require(Action::SeeUsers)?;
    page.by::<UserId>()?;
    let list = move |tx: &mut dyn Tx, tenant: &TenantId| {
        let rows = tx.user_list(tenant, &page)?;
        let total = page.total(|most| Ok(u64::from(tx.user_count(tenant)?.min(most))))?;
        Ok(Page::cut(rows, &page, |user| user.id.to_string()).of_total(total))
    };
    access.read(list).await
}

/// Makes sure that whoever holds a login also knows the password. Failures count like those of logins.
async fn require_password(ports: &Ports, user: &User, given: Option<&Password>) -> Result<()> {
    let wrong = || Error::invalid("current_password", "must be the present password");
    let given = given.ok_or_else(wrong)?;
    let attempt = ports.throttle.attempt(&ports.limits, ports.now(), [Subject::account(user.id.as_str())])?;
    if !password::verify(ports, given, Some(user.password_hash.clone())).await? {
        return Err(wrong());
    }
    attempt.pardon();
    Ok(())
}

/// Hashes a password, apart from the threads that serve requests.
pub(crate) async fn hashed(ports: &Ports, password: &Password) -> Result<String> {
    password::hash(ports, password).await
}

/// Refuses an account that another user has.
pub(crate) fn require_free(tx: &mut dyn Tx, account: &Account, own: Option<&UserId>) -> Result<()> {
    match account.find(tx)? {
        Some(other) if Some(&other.id) != own => Err(taken()),
        _ => Ok(()),
    }
}

/// The code of [`taken`].
pub(super) const USER_EXISTS: &str = "user_exists";

/// Somebody else has the mobile number or the e-mail address.
pub(crate) fn taken() -> Error {
    let why =
        "there is a user with this mobile number or e-mail address already; log in, or use another one".to_owned();
    Error::Conflict { code: USER_EXISTS, why }
}

pub(crate) fn find(tx: &mut dyn Tx, tenant: &TenantId, id: &UserId) -> Result<User> {
    tx.user_find(tenant, id)?.ok_or_else(|| Error::not_found("user", id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_one_form() {
        assert!(Account::email(" Ada@Example.COM ").unwrap() == Account::Email("ada@example.com".to_owned()));
        assert!(Account::mobile("+1 555 010 0002").unwrap() == Account::Mobile("15550100002".to_owned()));
        for text in ["", "ada", "@example.com", "ada@", "ada@example", "a@b@example.com", "a b@example.com", "a@.com"] {
            assert!(Account::email(text).is_err(), "{text}");
        }
        assert!(Account::one_of(None, None).is_err());
        assert!(Account::one_of(Some("15550100002"), Some("ada@example.com")).is_err());
    }
}
