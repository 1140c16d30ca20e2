//! Devices.

use portico_core::device::{Device, DeviceState, Refs, Settings, StateReason, Wanted};
use portico_core::error::Result;
use portico_core::id::{DeviceId, TenantId};
use portico_core::page::PageRequest;
use portico_core::ports::store::{DeviceChange, DeviceFilter, DeviceTx};
use portico_core::time::UtcMs;

use crate::db::{DbTx, Mode};
use crate::row::{self, RowRef, ms};
use crate::statement::pieces;
use crate::table;

table! {
    /// A device as stored.
    devices: DeviceRow<'r> => Device {
        id: &'r str,
        number: i64,
        tenant_id: &'r str,
        name: &'r str,
        state: &'r str,
        reason_code: Option<&'r str>,
        reason_text: Option<&'r str>,
        state_since_ms: i64,
        deadline_ms: Option<i64>,
        wanted: &'r str,
        jid: Option<&'r str>,
        lid: Option<&'r str>,
        push_name: Option<&'r str>,
        refs: &'r str,
        settings: &'r str,
        created_ms: i64,
    }
}

statements! {
    INSERT = devices!(insert);
    FIND = devices!(find);
    LOAD = concat!("SELECT ", devices!(columns), " FROM devices WHERE id = $1");
    /// By id, locked until the end. `NO KEY`, so that rows which only refer to it can be added meanwhile.
    LOAD_LOCKED =
        concat!("SELECT ", devices!(columns), " FROM devices WHERE id = $1"),
        concat!("SELECT ", devices!(columns), " FROM devices WHERE id = $1 FOR NO KEY UPDATE");
    /// A device that is about to be removed; nothing that refers to it can be added any more.
    LOCK_FOR_DELETE =
        "SELECT id FROM devices WHERE tenant_id = $1 AND id = $2",
        "SELECT id FROM devices WHERE tenant_id = $1 AND id = $2 FOR UPDATE";
    LIST = concat!(devices!(page "AND (CAST($5 AS TEXT) IS NULL OR id = $5)"), " OFFSET $4");
    /// Those to which a namespace gives a name, or one name. They are found by it first: few devices have one.
    LIST_NAMED = concat!(
        devices!(page "AND (CAST($5 AS TEXT) IS NULL OR id = $5)
             AND id IN (SELECT device_id FROM device_refs WHERE tenant_id = $1 AND namespace = $6
                 AND (CAST($7 AS TEXT) IS NULL OR value = $7))"),
        " OFFSET $4"
    );
    TOTAL =
        "SELECT COUNT(*) FROM (
             SELECT id FROM devices WHERE tenant_id = $1 AND (CAST($3 AS TEXT) IS NULL OR id = $3)
             ORDER BY id LIMIT $2) AS counted";
    TOTAL_NAMED =
        "SELECT COUNT(*) FROM (
             SELECT device_id FROM device_refs WHERE tenant_id = $1 AND namespace = $4
                 AND (CAST($3 AS TEXT) IS NULL OR device_id = $3) AND (CAST($5 AS TEXT) IS NULL OR value = $5)
             LIMIT $2) AS counted";
    REFS_FORGET = "DELETE FROM device_refs WHERE device_id = $1";
    REFS_INSERT =
        "INSERT INTO device_refs (tenant_id, namespace, value, device_id) VALUES {($, $, $, $)} ON CONFLICT DO NOTHING";
    REFS_SET = "UPDATE devices SET refs = $3 WHERE tenant_id = $1 AND id = $2";
    BY_REF = "SELECT device_id FROM device_refs WHERE tenant_id = $1 AND namespace = $2 AND value = $3";
    SETTINGS_SET = "UPDATE devices SET settings = $3 WHERE tenant_id = $1 AND id = $2";
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
        "SELECT ", devices!(columns), " FROM devices WHERE wanted = 'running' AND id > $1 ORDER BY id LIMIT $2"
    );
    OVERDUE = "SELECT id FROM devices WHERE deadline_ms <= $1 ORDER BY deadline_ms LIMIT $2";
}

impl<'r> DeviceRow<'r> {
    /// `refs` and `settings` are those of the device, as JSON.
    fn of(device: &'r Device, refs: &'r str, settings: &'r str) -> Self {
        let reason = device.reason.as_ref();
        Self {
            id: device.id.as_str(),
            number: i64::from(device.number),
            tenant_id: device.tenant.as_str(),
            name: &device.name,
            state: device.state.as_str(),
            reason_code: reason.map(|r| r.code.as_str()),
            reason_text: reason.map(|r| r.text.as_str()),
            state_since_ms: device.state_since.0,
            deadline_ms: ms(device.deadline),
            wanted: wanted_name(device.wanted),
            jid: device.jid.as_deref(),
            lid: device.lid.as_deref(),
            push_name: device.push_name.as_deref(),
            refs,
            settings,
            created_ms: device.created_at.0,
        }
    }

    fn noun(&self) -> Result<Device> {
        let at = self.at();
        Ok(Device {
            id: at.id("id", self.id)?,
            number: at.number("number", self.number)?,
            tenant: at.id("tenant_id", self.tenant_id)?,
            state: at.name("state", self.state, DeviceState::from_name)?,
            reason: self.reason_code.map(|code| StateReason::new(code, self.reason_text.unwrap_or_default())),
            state_since: UtcMs(self.state_since_ms),
            deadline: self.deadline_ms.map(UtcMs),
            wanted: at.name("wanted", self.wanted, wanted_from)?,
            created_at: UtcMs(self.created_ms),
            name: self.name.to_owned(),
            jid: self.jid.map(str::to_owned),
            lid: self.lid.map(str::to_owned),
            push_name: self.push_name.map(str::to_owned),
            refs: Refs::stored(at.json("refs", self.refs)?),
            settings: Settings::stored(at.json("settings", self.settings)?),
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

impl DeviceTx for DbTx<'_> {
    fn device_insert(&mut self, device: &Device) -> Result<()> {
        let (refs, settings) = (row::json(device.refs.as_map())?, row::json(device.settings.as_map())?);
        self.conn().run(&INSERT, 1, &table::binds(&[DeviceRow::of(device, &refs, &settings)]))?;
        Ok(())
    }

    fn device_refs_set(&mut self, tenant: &TenantId, id: &DeviceId, refs: &Refs) -> Result<bool> {
        self.touched.devices.push(id.clone());
        run!(self.conn(), REFS_FORGET, [id.as_str()])?;
        let pairs: Vec<_> = refs.as_map().iter().collect();
        let mut added = 0;
        for piece in pieces(&pairs) {
            added += run_many!(self.conn(), REFS_INSERT, [], piece, |(namespace, value)| [
                tenant.as_str(),
                *namespace,
                *value,
                id.as_str(),
            ])?;
        }
        run!(self.conn(), REFS_SET, [tenant.as_str(), id.as_str(), &row::json(refs.as_map())?])?;
        Ok(added == pairs.len() as u64)
    }

    fn device_settings_set(&mut self, tenant: &TenantId, id: &DeviceId, settings: &Settings) -> Result<()> {
        self.touched.devices.push(id.clone());
        run!(self.conn(), SETTINGS_SET, [tenant.as_str(), id.as_str(), &row::json(settings.as_map())?])?;
        Ok(())
    }

    fn device_id_by_ref(&mut self, tenant: &TenantId, namespace: &str, value: &str) -> Result<Option<String>> {
        let row = rows!(self.conn(), (String,), BY_REF, [tenant.as_str(), namespace, value], fetch_optional)?;
        Ok(row.map(|(id,)| id))
    }

    fn device_find(&mut self, tenant: &TenantId, id: &DeviceId) -> Result<Option<Device>> {
        rows!(self.conn(), Device, FIND, [tenant.as_str(), id.as_str()], fetch_optional)
    }

    fn device_load(&mut self, id: &DeviceId) -> Result<Option<Device>> {
        match self.mode {
            Mode::Read => rows!(self.conn(), Device, LOAD, [id.as_str()], fetch_optional),
            Mode::Write => rows!(self.conn(), Device, LOAD_LOCKED, [id.as_str()], fetch_optional),
        }
    }

    fn device_list(&mut self, tenant: &TenantId, filter: &DeviceFilter, page: &PageRequest) -> Result<Vec<Device>> {
        let (tenant, only) = (tenant.as_str(), filter.only.as_ref().map(DeviceId::as_str));
        let (before, limit, offset) = (row::cursor(page), row::page_rows(page), row::offset(page));
        match &filter.named {
            None => rows!(self.conn(), Device, LIST, [tenant, before, limit, offset, only], fetch_all),
            Some((namespace, value)) => {
                let named = (namespace, value.as_deref());
                let conn = self.conn();
                rows!(conn, Device, LIST_NAMED, [tenant, before, limit, offset, only, named.0, named.1], fetch_all)
            }
        }
    }

    fn device_total(&mut self, tenant: &TenantId, filter: &DeviceFilter, most: u32) -> Result<u64> {
        let (tenant, most) = (tenant.as_str(), i64::from(most));
        let only = filter.only.as_ref().map(DeviceId::as_str);
        let (number,) = match &filter.named {
            None => rows!(self.conn(), (i64,), TOTAL, [tenant, most, only], fetch_one)?,
            Some((namespace, value)) => {
                let value = value.as_deref();
                rows!(self.conn(), (i64,), TOTAL_NAMED, [tenant, most, only, namespace, value], fetch_one)?
            }
        };
        Ok(row::count(number))
    }

    fn device_count(&mut self, tenant: &TenantId) -> Result<u32> {
        let (number,) = rows!(self.conn(), (i64,), COUNT, [tenant.as_str()], fetch_one)?;
        Ok(row::count_u32(number))
    }

    fn device_count_by_state(&mut self) -> Result<Vec<(DeviceState, u64)>> {
        let rows = rows!(self.conn(), (String, i64), COUNT_BY_STATE, [], fetch_all)?;
        let noun = |(state, number): (String, i64)| {
            let state = RowRef::new("devices", "(any)").name("state", &state, DeviceState::from_name)?;
            Ok((state, row::count(number)))
        };
        rows.into_iter().map(noun).collect()
    }

    fn device_rename(&mut self, tenant: &TenantId, id: &DeviceId, name: &str) -> Result<bool> {
        self.touched.devices.push(id.clone());
        Ok(run!(self.conn(), RENAME, [tenant.as_str(), id.as_str(), name])? > 0)
    }

    fn device_want(&mut self, id: &DeviceId, wanted: Wanted) -> Result<()> {
        self.touched.devices.push(id.clone());
        run!(self.conn(), WANT, [id.as_str(), wanted_name(wanted)])?;
        Ok(())
    }

    fn device_change(&mut self, id: &DeviceId, change: &DeviceChange) -> Result<()> {
        self.touched.devices.push(id.clone());
        let reason = change.reason.as_ref();
        let identity = change.identity.as_ref();
        run!(
            self.conn(),
            CHANGE,
            [
                id.as_str(),
                change.state.as_str(),
                reason.map(|r| r.code.as_str()),
                reason.map(|r| r.text.as_str()),
                change.since.0,
                ms(change.deadline),
                identity.and_then(|i| i.jid.as_deref()),
                identity.and_then(|i| i.lid.as_deref()),
                identity.and_then(|i| i.push_name.as_deref()),
            ]
        )?;
        Ok(())
    }

    fn device_forget_account(&mut self, id: &DeviceId) -> Result<()> {
        self.touched.devices.push(id.clone());
        run!(self.conn(), FORGET_ACCOUNT, [id.as_str()])?;
        Ok(())
    }

    fn device_delete(&mut self, tenant: &TenantId, id: &DeviceId) -> Result<bool> {
        // In the order of row locks: device, messages, tenant, and then what the tables take along.
        let binds = (tenant.as_str(), id.as_str());
        if rows!(self.conn(), (String,), LOCK_FOR_DELETE, [binds.0, binds.1], fetch_optional)?.is_none() {
            return Ok(false);
        }
        self.touched.devices.push(id.clone());
        self.touched.devices_deleted.push(id.clone());
        self.subscriptions_changed();
        run!(self.conn(), DELETE_MESSAGES, [id.as_str()])?;
        self.lock_outbox(std::slice::from_ref(tenant))?;
        Ok(run!(self.conn(), DELETE, [binds.0, binds.1])? > 0)
    }

    fn device_wanted(&mut self, after: Option<&DeviceId>, limit: u32) -> Result<Vec<Device>> {
        let after = after.map_or("", DeviceId::as_str);
        rows!(self.conn(), Device, WANTED, [after, i64::from(limit)], fetch_all)
    }

    fn device_overdue(&mut self, now: UtcMs, limit: u32) -> Result<Vec<DeviceId>> {
        let rows = rows!(self.conn(), (String,), OVERDUE, [now.0, i64::from(limit)], fetch_all)?;
        rows.iter().map(|(id,)| RowRef::new("devices", id).id("id", id)).collect()
    }
}
