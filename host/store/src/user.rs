//! Users.

use portico_core::access::{Role, User};
use portico_core::error::Result;
use portico_core::id::{DeviceId, TenantId, UserId};
use portico_core::page::PageRequest;
use portico_core::ports::store::UserTx;
use portico_core::time::UtcMs;

use crate::db::DbTx;
use crate::row::{self, RowRef};
use crate::statement::pieces;
use crate::table;

table! {
    /// A user as stored.
    users: UserRow<'r> => User {
        id: &'r str,
        number: i64,
        tenant_id: &'r str,
        name: &'r str,
        mobile: Option<&'r str>,
        email: Option<&'r str>,
        password_hash: &'r str,
        role: &'r str,
        login_version: i64,
        created_ms: i64,
        made_by: Option<&'r str>,
        last_login_ms: Option<i64>,
    }
}

statements! {
    INSERT = concat!(users!(insert), " ON CONFLICT DO NOTHING");
    FIND = users!(find);
    BY_MOBILE = concat!("SELECT ", users!(columns), " FROM users WHERE mobile = $1");
    BY_EMAIL = concat!("SELECT ", users!(columns), " FROM users WHERE email = $1");
    LIST = concat!(users!(page), " OFFSET $4");
    COUNT = "SELECT COUNT(*) FROM users WHERE tenant_id = $1";
    CHANGE =
        "UPDATE users SET name = $3, mobile = $4, email = $5, password_hash = $6, role = $7, login_version = $8
         WHERE tenant_id = $1 AND id = $2";
    LOGGED_IN = "UPDATE users SET last_login_ms = $3 WHERE tenant_id = $1 AND id = $2";
    REMOVE = "DELETE FROM users WHERE tenant_id = $1 AND id = $2";
    COUNT_ROLES = "SELECT COUNT(*) FROM users WHERE tenant_id = $1 AND role IN ({$})";
    DEVICES = "SELECT device_id FROM member_devices WHERE tenant_id = $1 AND user_id = $2 ORDER BY device_id";
    DEVICES_FORGET = "DELETE FROM member_devices WHERE tenant_id = $1 AND user_id = $2";
    DEVICES_ADD =
        "INSERT INTO member_devices (tenant_id, user_id, device_id) VALUES {($, $, $)} ON CONFLICT DO NOTHING";
}

impl<'r> UserRow<'r> {
    fn of(user: &'r User) -> Self {
        Self {
            id: user.id.as_str(),
            number: i64::from(user.number),
            tenant_id: user.tenant.as_str(),
            name: &user.name,
            mobile: user.mobile.as_deref(),
            email: user.email.as_deref(),
            password_hash: &user.password_hash,
            role: user.role.as_str(),
            login_version: user.login_version,
            created_ms: user.created_at.0,
            made_by: user.made_by.as_ref().map(UserId::as_str),
            last_login_ms: row::ms(user.last_login),
        }
    }

    fn noun(&self) -> Result<User> {
        let at = self.at();
        Ok(User {
            id: at.id("id", self.id)?,
            number: at.number("number", self.number)?,
            tenant: at.id("tenant_id", self.tenant_id)?,
            name: self.name.to_owned(),
            mobile: self.mobile.map(str::to_owned),
            email: self.email.map(str::to_owned),
            password_hash: self.password_hash.to_owned(),
            role: at.name("role", self.role, Role::from_name)?,
            login_version: self.login_version,
            created_at: UtcMs(self.created_ms),
            made_by: at.id_option("made_by", self.made_by)?,
            last_login: self.last_login_ms.map(UtcMs),
        })
    }
}

impl UserTx for DbTx<'_> {
    fn user_insert(&mut self, user: &User) -> Result<bool> {
        Ok(self.conn().run(&INSERT, 1, &table::binds(&[UserRow::of(user)]))? > 0)
    }

    fn user_find(&mut self, tenant: &TenantId, id: &UserId) -> Result<Option<User>> {
        rows!(self.conn(), User, FIND, [tenant.as_str(), id.as_str()], fetch_optional)
    }

    fn user_find_by_mobile(&mut self, mobile: &str) -> Result<Option<User>> {
        rows!(self.conn(), User, BY_MOBILE, [mobile], fetch_optional)
    }

    fn user_find_by_email(&mut self, email: &str) -> Result<Option<User>> {
        rows!(self.conn(), User, BY_EMAIL, [email], fetch_optional)
    }

    fn user_list(&mut self, tenant: &TenantId, page: &PageRequest) -> Result<Vec<User>> {
        let (before, limit, offset) = (row::cursor(page), row::page_rows(page), row::offset(page));
        rows!(self.conn(), User, LIST, [tenant.as_str(), before, limit, offset], fetch_all)
    }

    fn user_count(&mut self, tenant: &TenantId) -> Result<u32> {
        let (number,) = rows!(self.conn(), (i64,), COUNT, [tenant.as_str()], fetch_one)?;
        Ok(row::count_u32(number))
    }

    fn user_change(&mut self, user: &User) -> Result<bool> {
        let changed = run!(
            self.conn(),
            CHANGE,
            [
                user.tenant.as_str(),
                user.id.as_str(),
                &user.name,
                user.mobile.as_deref(),
                user.email.as_deref(),
                &user.password_hash,
                user.role.as_str(),
                user.login_version,
            ]
        )?;
        Ok(changed > 0)
    }

    fn user_logged_in(&mut self, tenant: &TenantId, id: &UserId, at: UtcMs) -> Result<()> {
        run!(self.conn(), LOGGED_IN, [tenant.as_str(), id.as_str(), at.0]).map(drop)
    }

    fn user_remove(&mut self, tenant: &TenantId, id: &UserId) -> Result<bool> {
        Ok(run!(self.conn(), REMOVE, [tenant.as_str(), id.as_str()])? > 0)
    }

    fn user_count_of(&mut self, tenant: &TenantId, roles: &[Role]) -> Result<u32> {
        // Of two that count and then take one away, the second waits for the first.
        self.lock_outbox(std::slice::from_ref(tenant))?;
        let mut total = 0;
        for piece in pieces(roles) {
            let rows = rows_many!(self.conn(), (i64,), COUNT_ROLES, [tenant.as_str()], piece, |role| [role.as_str()])?;
            total += rows.into_iter().map(|(count,)| row::count_u32(count)).sum::<u32>();
        }
        Ok(total)
    }

    fn user_devices(&mut self, tenant: &TenantId, id: &UserId) -> Result<Vec<DeviceId>> {
        let rows = rows!(self.conn(), (String,), DEVICES, [tenant.as_str(), id.as_str()], fetch_all)?;
        rows.iter().map(|(device,)| RowRef::new("member_devices", id.as_str()).id("device_id", device)).collect()
    }

    fn user_devices_set(&mut self, tenant: &TenantId, id: &UserId, devices: &[DeviceId]) -> Result<()> {
        run!(self.conn(), DEVICES_FORGET, [tenant.as_str(), id.as_str()])?;
        for piece in pieces(devices) {
            run_many!(self.conn(), DEVICES_ADD, [], piece, |device| [tenant.as_str(), id.as_str(), device.as_str()])?;
        }
        Ok(())
    }
}
