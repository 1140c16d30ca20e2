//! Users.

use portico_core::access::{Role, User};
use portico_core::error::Result;
use portico_core::id::{TenantId, UserId};
use portico_core::page::PageRequest;
use portico_core::ports::store::UserTx;
use portico_core::time::UtcMs;

use crate::db::DbTx;
use crate::row;
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
}
