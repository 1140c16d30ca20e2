//! Logging in with a mobile number or an e-mail address and a password, for a token that stands for the user.

use std::net::IpAddr;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::password::{self, Password};
use super::token::{self, Claims};
use super::users::Account;
use super::{Caller, User};
use crate::context::Ports;
use crate::error::{Error, Result};
use crate::ports::Tx;
use crate::throttle::Subject;
use crate::time::UtcMs;

/// A login.
pub struct LoggedIn {
    /// Stands for the user, as a key stands for a program.
    pub token: Zeroizing<String>,
    /// When it ends.
    pub expires_at: UtcMs,
    /// Who logged in.
    pub user: User,
}

/// Logs a user in. An account that does not exist, or has another password, is one and the same answer after the same time.
///
/// # Errors
/// [`Error::Unauthenticated`]; [`Error::Busy`] after too many failures from `address`, which is that of the peer or its
/// network, or on the account, or while too many passwords are being checked.
pub async fn login(
    ports: &Arc<Ports>,
    account: Account,
    password: &Password,
    address: Option<IpAddr>,
) -> Result<LoggedIn> {
    let now = ports.now();
    let subjects = [Subject::Address(address), Subject::account(account.as_str())];
    let attempt = ports.throttle.attempt(&ports.limits, now, subjects)?;
    let found = ports.read(move |tx| account.find(tx)).await?;
    let hash = found.as_ref().map(|user| user.password_hash.clone());
    let is_right = password::verify(ports, password, hash).await?;
    let Some(user) = found.filter(|_| is_right) else {
        return Err(Error::Unauthenticated { why: "there is no such account, or the password is another one" });
    };
    attempt.pardon();
    let user = User { last_login: Some(now), ..user };
    let (tenant, id) = (user.tenant.clone(), user.id.clone());
    ports.write(move |tx| tx.user_logged_in(&tenant, &id, now)).await?;
    let expires_at = now + ports.limits.login_ttl;
    let claims =
        Claims::new(user.tenant.clone(), user.id.clone(), user.login_version, now.seconds(), expires_at.seconds());
    let token = token::sign(&ports.sealer, &claims)?.into();
    Ok(LoggedIn { token, expires_at: UtcMs(expires_at.seconds() * 1_000), user })
}

/// Who presents this token; `None` when it is none, or none that still counts.
pub(super) async fn authenticate(ports: &Ports, presented: &str) -> Result<Option<Caller>> {
    let Some(claims) = token::read(&ports.sealer, presented) else { return Ok(None) };
    let ends = UtcMs(claims.ends.saturating_mul(1_000));
    if ends <= ports.now() {
        return Ok(None);
    }
    let find = move |tx: &mut dyn Tx| {
        let found = tx.user_find(&claims.tenant, &claims.user)?.filter(|user| user.login_version == claims.version);
        let Some(user) = found else { return Ok(None) };
        // The role and the devices count as they are now, not as they were when the member logged in.
        let devices = match user.role.reaches_assigned_only() {
            true => tx.user_devices(&user.tenant, &user.id)?,
            false => Vec::new(),
        };
        Ok(Some(Caller::logged_in(&user, devices, ends)))
    };
    ports.read(find).await
}
