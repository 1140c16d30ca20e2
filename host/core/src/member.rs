//! Members: the users of a tenant as those see them who run it. Their roles say what they may do ([`Role`]); agents and
//! viewers reach the devices that are assigned to them.
//!
//! Nobody makes a member who could do more than the maker, and one who may do everything of the tenant always stays. A role
//! and devices count from the next request of the member on, also in logins made before.

use portico_api::{self as api, MemberChange};

use crate::access::authorize::{self, Action, TenantAccess};
use crate::access::users::{self, Account, Password};
use crate::access::{Caller, Member, Role, User};
use crate::context::idempotency::Shown;
use crate::context::{OpContext, Write};
use crate::error::{Error, Result};
use crate::event::{NewEvent, raise};
use crate::id::{DeviceId, EventId, TenantId, UserId};
use crate::model::checked_name;
use crate::model::number::Numbered;
use crate::page::{Page, PageRequest};
use crate::ports::Tx;

/// What a member is to be.
#[derive(Clone)]
pub struct NewMember {
    /// What the member is called.
    pub name: String,
    /// A mobile number; this or the e-mail address is needed.
    pub mobile: Option<String>,
    /// An e-mail address.
    pub email: Option<String>,
    /// The first password.
    pub password: Password,
    /// What the member may do.
    pub role: Role,
    /// The devices that are assigned, for roles that reach no others.
    pub devices: Vec<DeviceId>,
}

/// What is to change of a member; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct MemberPatch {
    /// Another role.
    pub role: Option<Role>,
    /// The devices that are assigned from then on.
    pub devices: Option<Vec<DeviceId>>,
}

/// One device more or less of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignment {
    /// It is assigned.
    Give,
    /// It no longer is.
    Take,
}

/// Makes a member, who can log in at once.
///
/// # Errors
/// [`Error::Forbidden`] when the caller may not make members of the role; [`Error::Conflict`] with `user_exists` when
/// somebody, of whatever tenant, has the mobile number or e-mail address, with `too_many_members` at the limit.
pub async fn create(ctx: &OpContext, new: NewMember) -> Result<api::Member> {
    let access = ctx.require(Action::ManageMembers)?;
    require_managed(ctx.caller(), new.role, ctx.caller().user())?;
    let mobile = new.mobile.as_deref().map(Account::mobile).transpose()?;
    let email = new.email.as_deref().map(Account::email).transpose()?;
    let accounts: Vec<_> = [mobile, email].into_iter().flatten().collect();
    if accounts.is_empty() {
        return Err(Error::invalid("mobile", "or `email` must be given"));
    }
    let name = checked_name(ctx.limits(), &new.name)?;
    new.password.check(ctx.limits())?;
    let devices = checked_devices(new.role, new.devices)?;
    if let Some(Shown(answer)) = access.answered_before().await? {
        return Ok(answer);
    }
    // Asked before the expensive hash, and once more when the member is stored.
    let asked = accounts.clone();
    access.read(move |tx, _| asked.iter().try_for_each(|account| users::require_free(tx, account, None))).await?;
    let password_hash = users::hashed(access.ports(), &new.password).await?;
    let by = ctx.caller().user().cloned();
    let insert = move |tx: &mut Write<'_>, tenant: &TenantId| {
        let limit = tx.limits().users_per_tenant;
        if tx.user_count(tenant)? >= limit {
            let why = format!("this tenant has {limit} members, the limit; remove one first");
            return Err(Error::Conflict { code: "too_many_members", why });
        }
        let mut user = User {
            id: tx.fresh(UserId::new),
            number: tx.number_next(tenant, Numbered::User)?,
            tenant: tenant.clone(),
            name,
            mobile: None,
            email: None,
            password_hash,
            role: new.role,
            login_version: 1,
            created_at: tx.now(),
            made_by: by.clone(),
            last_login: None,
        };
        accounts.into_iter().for_each(|account| account.set(&mut user));
        if !tx.user_insert(&user)? {
            return Err(users::taken());
        }
        let member = Member { user, devices };
        store_devices(tx, &member)?;
        tell(tx, &member, MemberChange::Added, by.as_ref())?;
        Ok(Shown(api::Member::from(&member)))
    };
    access.write(insert).await.map(Shown::into_inner)
}

/// The members of the caller's tenant, newest first.
pub async fn list(ctx: &OpContext, page: PageRequest) -> Result<Page<Member>> {
    let access = ctx.require(Action::ManageMembers)?;
    page.by::<UserId>()?;
    let list = move |tx: &mut dyn Tx, tenant: &TenantId| {
        let rows = tx.user_list(tenant, &page)?;
        let with_devices = |user: User| Ok(Member { devices: tx.user_devices(tenant, &user.id)?, user });
        let rows = rows.into_iter().map(with_devices).collect::<Result<_>>()?;
        let total = page.total(|most| Ok(u64::from(tx.user_count(tenant)?.min(most))))?;
        Ok(Page::cut(rows, &page, |member: &Member| member.user.id.to_string()).of_total(total))
    };
    access.read(list).await
}

/// A member of the caller's tenant.
pub async fn get(ctx: &OpContext, id: &UserId) -> Result<Member> {
    let access = ctx.require(Action::ManageMembers)?;
    let id = id.clone();
    access.read(move |tx, tenant| find(tx, tenant, &id)).await
}

/// Changes a member's role and devices.
///
/// # Errors
/// [`Error::Forbidden`] when the caller may not manage members of the role that the member has or is to have;
/// [`Error::Conflict`] with `last_admin` when nobody would be left who may do everything of the tenant.
pub async fn change(ctx: &OpContext, id: &UserId, patch: MemberPatch) -> Result<Member> {
    let access = ctx.require(Action::ManageMembers)?;
    changed(ctx, &access, id, move |member| {
        member.user.role = patch.role.unwrap_or(member.user.role);
        let devices = match patch.devices {
            Some(devices) => checked_devices(member.user.role, devices)?,
            // Those of before mean nothing to a role that reaches all.
            None if !member.user.role.reaches_assigned_only() => Vec::new(),
            None => std::mem::take(&mut member.devices),
        };
        member.devices = devices;
        Ok(())
    })
    .await
}

/// Assigns a device of the tenant to an agent or a viewer, or takes it away. Repeating it changes nothing.
pub async fn assign(ctx: &OpContext, id: &UserId, device: &DeviceId, assignment: Assignment) -> Result<Member> {
    let access = ctx.require(Action::ManageMembers)?;
    let device = device.clone();
    changed(ctx, &access, id, move |member| {
        match assignment {
            Assignment::Give if member.devices.contains(&device) => {}
            Assignment::Give => {
                let mut devices = std::mem::take(&mut member.devices);
                devices.push(device);
                member.devices = checked_devices(member.user.role, devices)?;
            }
            Assignment::Take => member.devices.retain(|assigned| *assigned != device),
        }
        Ok(())
    })
    .await
}

/// Removes a member. Its logins end at once; keys that it made stay, as they are the tenant's.
///
/// # Errors
/// As [`change`].
pub async fn remove(ctx: &OpContext, id: &UserId) -> Result<()> {
    let access = ctx.require(Action::ManageMembers)?;
    let (id, caller) = (id.clone(), ctx.caller().clone());
    let remove = move |tx: &mut Write<'_>, tenant: &TenantId| {
        let member = find(&mut **tx, tenant, &id)?;
        require_managed(&caller, member.user.role, member.user.made_by.as_ref())?;
        require_another_admin(tx, &member.user)?;
        tx.user_remove(tenant, &id)?;
        tell(tx, &member, MemberChange::Removed, caller.user())
    };
    access.write(remove).await
}

/// Changes a member in one transaction, with its event; what stays the same is not told.
async fn changed(
    ctx: &OpContext,
    access: &TenantAccess<'_>,
    id: &UserId,
    change: impl FnOnce(&mut Member) -> Result<()> + Send + 'static,
) -> Result<Member> {
    let (id, caller) = (id.clone(), ctx.caller().clone());
    let apply = move |tx: &mut Write<'_>, tenant: &TenantId| {
        let before = find(&mut **tx, tenant, &id)?;
        require_managed(&caller, before.user.role, before.user.made_by.as_ref())?;
        let mut member = before.clone();
        change(&mut member)?;
        if member.user.role == before.user.role && member.devices == before.devices {
            return Ok(member);
        }
        require_managed(&caller, member.user.role, member.user.made_by.as_ref())?;
        if !Role::ADMINS.contains(&member.user.role) {
            require_another_admin(tx, &before.user)?;
        }
        tx.user_change(&member.user)?;
        store_devices(tx, &member)?;
        tell(tx, &member, MemberChange::Changed, caller.user())?;
        Ok(member)
    };
    access.write(apply).await
}

/// Refuses a caller who may not manage members of this role, one of whom `made_by` made.
fn require_managed(caller: &Caller, role: Role, made_by: Option<&UserId>) -> Result<()> {
    let why = match caller.role() {
        Some(own) if !own.manages(role) => {
            format!("your role does not let you manage a member with the role `{}`", role.as_str())
        }
        Some(Role::Manager) if made_by != caller.user() => {
            "a manager manages the agents that it made itself".to_owned()
        }
        Some(_) => return Ok(()),
        None if role == Role::Owner => "only an owner manages owners; a key is none".to_owned(),
        None => return role.scopes().into_iter().try_for_each(|scope| caller.require(scope)),
    };
    Err(Error::Forbidden { why })
}

/// Refuses to take away the last user who may do everything of the tenant.
fn require_another_admin(tx: &mut Write<'_>, user: &User) -> Result<()> {
    if Role::ADMINS.contains(&user.role) && tx.user_count_of(&user.tenant, &Role::ADMINS)? <= 1 {
        let why = "this is the last member who may do everything of the tenant; make another admin first".to_owned();
        return Err(Error::Conflict { code: "last_admin", why });
    }
    Ok(())
}

/// The devices in the order of their ids, once each, for a role that makes a difference of them.
fn checked_devices(role: Role, mut devices: Vec<DeviceId>) -> Result<Vec<DeviceId>> {
    devices.sort();
    devices.dedup();
    if !devices.is_empty() && !role.reaches_assigned_only() {
        let why = format!("must be left out: a member with the role `{}` reaches all devices", role.as_str());
        return Err(Error::invalid("devices", why));
    }
    if devices.len() > api::MEMBER_DEVICES_MAX {
        return Err(Error::invalid("devices", format!("must be at most {}", api::MEMBER_DEVICES_MAX)));
    }
    Ok(devices)
}

/// Stores which devices are assigned. All of them have to be the tenant's.
fn store_devices(tx: &mut Write<'_>, member: &Member) -> Result<()> {
    let user = &member.user;
    for device in &member.devices {
        authorize::find(&mut **tx, &user.tenant, device)?;
    }
    tx.user_devices_set(&user.tenant, &user.id, &member.devices)
}

fn tell(tx: &mut Write<'_>, member: &Member, change: MemberChange, by: Option<&UserId>) -> Result<()> {
    let event = NewEvent::member_changed(tx.fresh(EventId::new), member, change, by, tx.now())?;
    raise::all(tx, &[event]).map(drop)
}

fn find(tx: &mut dyn Tx, tenant: &TenantId, id: &UserId) -> Result<Member> {
    let user = users::find(tx, tenant, id)?;
    Ok(Member { devices: tx.user_devices(tenant, id)?, user })
}
