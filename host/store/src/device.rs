//! Devices.

use async_trait::async_trait;
use portico_core::device::{Device, DeviceState, StateReason, Wanted};
use portico_core::error::Result;
use portico_core::id::{DeviceId, TenantId};
use portico_core::page::PageRequest;
use portico_core::ports::store::{DeviceChange, DeviceTx};
use portico_core::time::UtcMs;

use crate::db::{DbTx, Mode};
use crate::flavour;
use crate::row::{self, Place, clean, clean_option, ms};

statements! {
    INSERT = concat!(
        "INSERT INTO devices (", device_columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
    );
    FIND = concat!("SELECT ", device_columns!(), " FROM devices WHERE tenant_id = $1 AND id = $2");
    LOAD = concat!("SELECT ", device_columns!(), " FROM devices WHERE id = $1");
    LIST = concat!(
        "SELECT ", device_columns!(), " FROM devices WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3"
    );
    COUNT = "SELECT COUNT(*) FROM devices WHERE tenant_id = $1";
    /// Reads all devices: there are thousands at most, and metrics ask seldom.
    COUNT_BY_STATE = "SELECT state, COUNT(*) FROM devices GROUP BY state";
    RENAME = "UPDATE devices SET name = $3 WHERE tenant_id = $1 AND id = $2";
    WANT = "UPDATE devices SET wanted = $2 WHERE id = $1";
    CHANGE =
        "UPDATE devices SET state = $2, reason_code = $3, reason_text = $4, state_since_ms = $5, deadline_ms = $6,
             jid = COALESCE($7, jid), lid = COALESCE($8, lid), push_name = COALESCE($9, push_name)
         WHERE id = $1";
    FORGET_ACCOUNT = "UPDATE devices SET jid = NULL, lid = NULL, push_name = NULL WHERE id = $1";
    DELETE_MESSAGES = "DELETE FROM messages WHERE device_id = $1";
    /// Takes its subscriptions, their deliveries, and its keys along: the tables say so.
    DELETE = "DELETE FROM devices WHERE tenant_id = $1 AND id = $2";
    WANTED = concat!(
        "SELECT ", device_columns!(), " FROM devices WHERE wanted = 'running' AND id > $1 ORDER BY id LIMIT $2"
    );
    OVERDUE = "SELECT id FROM devices WHERE deadline_ms <= $1 ORDER BY deadline_ms LIMIT $2";
}

#[derive(sqlx::FromRow)]
struct DeviceRow {
    id: String,
    tenant_id: String,
    name: String,
    state: String,
    reason_code: Option<String>,
    reason_text: Option<String>,
    state_since_ms: i64,
    deadline_ms: Option<i64>,
    wanted: String,
    jid: Option<String>,
    lid: Option<String>,
    push_name: Option<String>,
    created_ms: i64,
}

impl DeviceRow {
    fn noun(self) -> Result<Device> {
        let place = Place::new("devices", &self.id);
        Ok(Device {
            id: place.id("id", &self.id)?,
            tenant: place.id("tenant_id", &self.tenant_id)?,
            state: place.name("state", &self.state, DeviceState::from_name)?,
            reason: self.reason_code.map(|code| StateReason::new(code, self.reason_text.unwrap_or_default())),
            state_since: UtcMs(self.state_since_ms),
            deadline: self.deadline_ms.map(UtcMs),
            wanted: place.name("wanted", &self.wanted, wanted_from)?,
            created_at: UtcMs(self.created_ms),
            name: self.name,
            jid: self.jid,
            lid: self.lid,
            push_name: self.push_name,
        })
    }
}

fn wanted_name(wanted: Wanted) -> &'static str {
    match wanted {
        Wanted::Running => "running",
        Wanted::Stopped => "stopped",
    }
}

fn wanted_from(name: &str) -> Option<Wanted> {
    [Wanted::Running, Wanted::Stopped].into_iter().find(|w| wanted_name(*w) == name)
}

#[async_trait]
impl DeviceTx for DbTx {
    async fn device_insert(&mut self, device: &Device) -> Result<()> {
        let reason = device.reason.as_ref();
        run!(
            self.conn(),
            INSERT,
            [
                device.id.as_str(),
                device.tenant.as_str(),
                clean(&device.name).as_ref(),
                device.state.as_str(),
                reason.map(|r| r.code.as_str()),
                clean_option(reason.map(|r| r.text.as_str())).as_deref(),
                device.state_since.0,
                ms(device.deadline),
                wanted_name(device.wanted),
                device.jid.as_deref(),
                device.lid.as_deref(),
                clean_option(device.push_name.as_deref()).as_deref(),
                device.created_at.0,
            ]
        )?;
        Ok(())
    }

    async fn device_find(&mut self, tenant: &TenantId, id: &DeviceId) -> Result<Option<Device>> {
        let row = rows!(self.conn(), DeviceRow, FIND, [tenant.as_str(), id.as_str()], fetch_optional)?;
        row.map(DeviceRow::noun).transpose()
    }

    async fn device_load(&mut self, id: &DeviceId) -> Result<Option<Device>> {
        let row = match self.mode {
            Mode::Read => rows!(self.conn(), DeviceRow, LOAD, [id.as_str()], fetch_optional)?,
            Mode::Write => rows!(self.conn(), DeviceRow, flavour::DEVICE_LOAD_LOCKED, [id.as_str()], fetch_optional)?,
        };
        row.map(DeviceRow::noun).transpose()
    }

    async fn device_list(&mut self, tenant: &TenantId, page: &PageRequest) -> Result<Vec<Device>> {
        let binds = (row::cursor(page), row::page_rows(page));
        let rows = rows!(self.conn(), DeviceRow, LIST, [tenant.as_str(), binds.0, binds.1], fetch_all)?;
        rows.into_iter().map(DeviceRow::noun).collect()
    }

    async fn device_count(&mut self, tenant: &TenantId) -> Result<u32> {
        let (number,) = rows!(self.conn(), (i64,), COUNT, [tenant.as_str()], fetch_one)?;
        Ok(row::count_u32(number))
    }

    async fn device_count_by_state(&mut self) -> Result<Vec<(DeviceState, u64)>> {
        let rows = rows!(self.conn(), (String, i64), COUNT_BY_STATE, [], fetch_all)?;
        let noun = |(state, number): (String, i64)| {
            let state = Place::new("devices", "(any)").name("state", &state, DeviceState::from_name)?;
            Ok((state, row::count(number)))
        };
        rows.into_iter().map(noun).collect()
    }

    async fn device_rename(&mut self, tenant: &TenantId, id: &DeviceId, name: &str) -> Result<bool> {
        Ok(run!(self.conn(), RENAME, [tenant.as_str(), id.as_str(), clean(name).as_ref()])? > 0)
    }

    async fn device_want(&mut self, id: &DeviceId, wanted: Wanted) -> Result<()> {
        run!(self.conn(), WANT, [id.as_str(), wanted_name(wanted)])?;
        Ok(())
    }

    async fn device_change(&mut self, id: &DeviceId, change: &DeviceChange) -> Result<()> {
        let reason = change.reason.as_ref();
        let identity = change.identity.as_ref();
        run!(
            self.conn(),
            CHANGE,
            [
                id.as_str(),
                change.state.as_str(),
                reason.map(|r| r.code.as_str()),
                clean_option(reason.map(|r| r.text.as_str())).as_deref(),
                change.since.0,
                ms(change.deadline),
                identity.and_then(|i| i.jid.as_deref()),
                identity.and_then(|i| i.lid.as_deref()),
                clean_option(identity.and_then(|i| i.push_name.as_deref())).as_deref(),
            ]
        )?;
        Ok(())
    }

    async fn device_forget_account(&mut self, id: &DeviceId) -> Result<()> {
        run!(self.conn(), FORGET_ACCOUNT, [id.as_str()])?;
        Ok(())
    }

    async fn device_delete(&mut self, tenant: &TenantId, id: &DeviceId) -> Result<bool> {
        // The order of `flavour`: device, messages, tenant, and then what the tables take along.
        let found = rows!(
            self.conn(),
            (String,),
            flavour::DEVICE_LOCK_FOR_DELETE,
            [tenant.as_str(), id.as_str()],
            fetch_optional
        )?;
        if found.is_none() {
            return Ok(false);
        }
        run!(self.conn(), DELETE_MESSAGES, [id.as_str()])?;
        self.lock_outbox(std::slice::from_ref(tenant)).await?;
        Ok(run!(self.conn(), DELETE, [tenant.as_str(), id.as_str()])? > 0)
    }

    async fn device_wanted(&mut self, after: Option<&DeviceId>, limit: u32) -> Result<Vec<Device>> {
        let after = after.map_or("", DeviceId::as_str);
        let rows = rows!(self.conn(), DeviceRow, WANTED, [after, i64::from(limit)], fetch_all)?;
        rows.into_iter().map(DeviceRow::noun).collect()
    }

    async fn device_overdue(&mut self, now: UtcMs, limit: u32) -> Result<Vec<DeviceId>> {
        let rows = rows!(self.conn(), (String,), OVERDUE, [now.0, i64::from(limit)], fetch_all)?;
        rows.iter().map(|(id,)| Place::new("devices", id).id("id", id)).collect()
    }
}
