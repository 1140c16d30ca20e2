//! Webhook subscriptions.

use std::sync::Arc;

use portico_core::error::Result;
use portico_core::id::{DeviceId, TenantId, WebhookId};
use portico_core::page::PageRequest;
use portico_core::ports::store::{WebhookChange, WebhookTx};
use portico_core::time::UtcMs;
use portico_core::webhook::{
    EventFilter, FormatData, Headers, SealedFormatData, SealedHeaders, SecretForm, Webhook, WebhookState,
};

use crate::db::DbTx;
use crate::row::{self, RowRef, ms};
use crate::statement::pieces;
use crate::table;

table! {
    /// A subscription as stored.
    webhooks: WebhookRow<'r> => Webhook {
        id: &'r str,
        number: i64,
        tenant_id: &'r str,
        device_id: Option<&'r str>,
        url: &'r str,
        events: &'r str,
        headers: &'r str,
        header_names: Option<&'r str>,
        sealed_headers: Option<&'r [u8]>,
        format: &'r str,
        sealed_format_data: Option<&'r [u8]>,
        state: &'r str,
        reason: Option<&'r str>,
        failing_since_ms: Option<i64>,
        created_ms: i64,
        sealed_secret: &'r [u8],
        secret_form: &'r str,
    }
}

/// The columns of a subscription that are JSON.
struct WebhookJson {
    events: String,
    header_names: String,
}

/// The column `headers` of a row whose headers are sealed.
const NONE_IN_THE_CLEAR: &str = "{}";

statements! {
    INSERT = webhooks!(insert);
    FIND = webhooks!(find);
    LOAD_MANY = concat!("SELECT ", webhooks!(columns), " FROM webhooks WHERE id IN ({$})");
    LIST = concat!(webhooks!(page), " OFFSET $4");
    LIST_DEVICE = concat!(webhooks!(page "AND device_id = $5"), " OFFSET $4");
    /// Counted in the order of an index, so that no database thinks of reading the whole table instead.
    TOTAL = "SELECT COUNT(*) FROM (SELECT id FROM webhooks WHERE tenant_id = $1 ORDER BY id LIMIT $2) AS counted";
    TOTAL_DEVICE =
        "SELECT COUNT(*) FROM (
             SELECT id FROM webhooks WHERE tenant_id = $1 AND device_id = $3 ORDER BY id LIMIT $2) AS counted";
    /// The enabled ones of a tenant. They can't be removed before the transaction ends.
    ENABLED =
        concat!("SELECT ", webhooks!(columns), " FROM webhooks WHERE tenant_id = $1 AND state = 'enabled' ORDER BY id"),
        concat!(
            "SELECT ", webhooks!(columns), " FROM webhooks WHERE tenant_id = $1 AND state = 'enabled' ORDER BY id
             FOR KEY SHARE"
        );
    COUNT = "SELECT COUNT(*) FROM webhooks WHERE tenant_id = $1";
    CHANGE =
        "UPDATE webhooks SET url = COALESCE($3, url), events = COALESCE($4, events), header_names = COALESCE($5, header_names),
             sealed_headers = COALESCE($10, sealed_headers),
             headers = CASE WHEN $5 IS NULL THEN headers ELSE '{}' END, format = COALESCE($6, format), state = COALESCE($7, state),
             reason = CASE WHEN $7 IS NULL THEN reason ELSE $8 END,
             failing_since_ms = CASE WHEN $7 = 'enabled' THEN NULL ELSE failing_since_ms END,
             sealed_secret = COALESCE($9, sealed_secret), secret_form = COALESCE($11, secret_form),
             sealed_format_data = COALESCE($12, sealed_format_data),
             format_data = CASE WHEN $12 IS NULL THEN format_data END
         WHERE tenant_id = $1 AND id = $2";
    /// Those whose headers were stored in the clear; the index on them is empty once all are sealed.
    UNSEALED = "SELECT tenant_id, id, headers FROM webhooks WHERE headers <> '{}' ORDER BY id LIMIT $1";
    /// As above, of format data.
    UNSEALED_DATA = "SELECT tenant_id, id, format_data FROM webhooks WHERE format_data IS NOT NULL ORDER BY id LIMIT $1";
    /// The first failure counts: a later one must not move it.
    FAILING = "UPDATE webhooks SET failing_since_ms = $2 WHERE id = $1 AND failing_since_ms IS NULL";
    HEALTHY = "UPDATE webhooks SET failing_since_ms = NULL WHERE id = $1 AND failing_since_ms IS NOT NULL";
    DELETE = "DELETE FROM webhooks WHERE tenant_id = $1 AND id = $2";
}

impl<'r> WebhookRow<'r> {
    /// `json` has the subscription's events and names of headers.
    fn of(webhook: &'r Webhook, json: &'r WebhookJson) -> Self {
        Self {
            id: webhook.id.as_str(),
            number: i64::from(webhook.number),
            tenant_id: webhook.tenant.as_str(),
            device_id: webhook.device.as_ref().map(|d| d.as_str()),
            url: &webhook.url,
            events: &json.events,
            headers: NONE_IN_THE_CLEAR,
            header_names: Some(&json.header_names),
            sealed_headers: Some(&webhook.headers.sealed),
            format: &webhook.format,
            sealed_format_data: Some(&webhook.format_data.0),
            state: state_name(webhook.state),
            reason: webhook.reason.as_deref(),
            failing_since_ms: ms(webhook.failing_since),
            created_ms: webhook.created_at.0,
            sealed_secret: &webhook.sealed_secret,
            secret_form: webhook.secret_form.as_str(),
        }
    }

    fn noun(&self) -> Result<Webhook> {
        let at = self.at();
        let filters: Vec<String> = at.json("events", self.events)?;
        Ok(Webhook {
            id: at.id("id", self.id)?,
            number: at.number("number", self.number)?,
            tenant: at.id("tenant_id", self.tenant_id)?,
            device: at.id_option("device_id", self.device_id)?,
            events: filters.iter().map(|f| at.name("events", f, EventFilter::parse)).collect::<Result<_>>()?,
            headers: SealedHeaders {
                names: self.header_names.map_or(Ok(Vec::new()), |names| at.json("header_names", names))?,
                sealed: self.sealed_headers.unwrap_or_default().to_owned(),
            },
            state: at.name("state", self.state, state_from)?,
            failing_since: self.failing_since_ms.map(UtcMs),
            created_at: UtcMs(self.created_ms),
            url: self.url.to_owned(),
            format: self.format.to_owned(),
            format_data: SealedFormatData(self.sealed_format_data.unwrap_or_default().to_owned()),
            reason: self.reason.map(str::to_owned),
            sealed_secret: self.sealed_secret.to_owned(),
            secret_form: at.name("secret_form", self.secret_form, SecretForm::from_name)?,
        })
    }
}

fn state_name(state: WebhookState) -> &'static str {
    match state {
        WebhookState::Enabled => "enabled",
        WebhookState::Disabled => "disabled",
    }
}

fn state_from(name: &str) -> Option<WebhookState> {
    [WebhookState::Enabled, WebhookState::Disabled].into_iter().find(|s| state_name(*s) == name)
}

impl DbTx<'_> {
    /// The enabled subscriptions of a tenant, from memory where the thread that writes keeps them.
    fn webhooks_enabled(&mut self, tenant: &TenantId) -> Result<Arc<[Webhook]>> {
        if let Some(kept) = self.subscriptions().and_then(|kept| kept.get(tenant)) {
            return Ok(kept);
        }
        let found: Arc<[Webhook]> = rows!(self.conn(), Webhook, ENABLED, [tenant.as_str()], fetch_all)?.into();
        if let Some(kept) = self.subscriptions() {
            kept.put(tenant.clone(), Arc::clone(&found));
        }
        Ok(found)
    }
}

impl WebhookTx for DbTx<'_> {
    fn webhook_insert(&mut self, webhook: &Webhook) -> Result<()> {
        self.subscriptions_changed();
        let json =
            WebhookJson { events: row::json(&webhook.events)?, header_names: row::json(&webhook.headers.names)? };
        self.conn().run(&INSERT, 1, &table::binds(&[WebhookRow::of(webhook, &json)]))?;
        Ok(())
    }

    fn webhook_find(&mut self, tenant: &TenantId, id: &WebhookId) -> Result<Option<Webhook>> {
        rows!(self.conn(), Webhook, FIND, [tenant.as_str(), id.as_str()], fetch_optional)
    }

    fn webhook_load_many(&mut self, ids: &[WebhookId]) -> Result<Vec<Webhook>> {
        let mut found = Vec::with_capacity(ids.len());
        for piece in pieces(ids) {
            found.extend(rows_many!(self.conn(), Webhook, LOAD_MANY, [], piece, |id| [id.as_str()])?);
        }
        Ok(found)
    }

    fn webhook_candidates(&mut self, tenant: &TenantId, device: Option<&DeviceId>) -> Result<Vec<Webhook>> {
        let enabled = self.webhooks_enabled(tenant)?;
        Ok(enabled.iter().filter(|w| w.device.is_none() || w.device.as_ref() == device).cloned().collect())
    }

    fn webhook_list(
        &mut self,
        tenant: &TenantId,
        device: Option<&DeviceId>,
        page: &PageRequest,
    ) -> Result<Vec<Webhook>> {
        let tenant = tenant.as_str();
        let (before, limit, offset) = (row::cursor(page), row::page_rows(page), row::offset(page));
        match device {
            None => rows!(self.conn(), Webhook, LIST, [tenant, before, limit, offset], fetch_all),
            Some(device) => {
                let device = device.as_str();
                rows!(self.conn(), Webhook, LIST_DEVICE, [tenant, before, limit, offset, device], fetch_all)
            }
        }
    }

    fn webhook_total(&mut self, tenant: &TenantId, device: Option<&DeviceId>, most: u32) -> Result<u64> {
        let (tenant, most) = (tenant.as_str(), i64::from(most));
        let (number,) = match device {
            None => rows!(self.conn(), (i64,), TOTAL, [tenant, most], fetch_one)?,
            Some(device) => rows!(self.conn(), (i64,), TOTAL_DEVICE, [tenant, most, device.as_str()], fetch_one)?,
        };
        Ok(row::count(number))
    }

    fn webhook_count(&mut self, tenant: &TenantId) -> Result<u32> {
        let (number,) = rows!(self.conn(), (i64,), COUNT, [tenant.as_str()], fetch_one)?;
        Ok(row::count_u32(number))
    }

    fn webhook_change(&mut self, tenant: &TenantId, id: &WebhookId, change: &WebhookChange) -> Result<bool> {
        self.subscriptions_changed();
        let events = change.events.as_ref().map(row::json).transpose()?;
        let header_names = change.headers.as_ref().map(|h| row::json(&h.names)).transpose()?;
        let (state, reason) = match &change.state {
            Some((state, reason)) => (Some(state_name(*state)), reason.as_deref()),
            None => (None, None),
        };
        let changed = run!(
            self.conn(),
            CHANGE,
            [
                tenant.as_str(),
                id.as_str(),
                change.url.as_deref(),
                events.as_deref(),
                header_names.as_deref(),
                change.format.as_deref(),
                state,
                reason,
                change.secret.as_ref().map(|(sealed, _)| &sealed[..]),
                change.headers.as_ref().map(|h| &h.sealed[..]),
                change.secret.as_ref().map(|(_, form)| form.as_str()),
                change.format_data.as_ref().map(|data| &data.0[..]),
            ]
        )?;
        Ok(changed > 0)
    }

    fn webhook_unsealed(&mut self, limit: u32) -> Result<Vec<(TenantId, WebhookId, Headers)>> {
        let rows = rows!(self.conn(), (String, String, String), UNSEALED, [i64::from(limit)], fetch_all)?;
        let read = |(tenant, id, headers): (String, String, String)| {
            let row = RowRef::new("webhooks", &id);
            Ok((row.id("tenant_id", &tenant)?, row.id("id", &id)?, row.json("headers", &headers)?))
        };
        rows.into_iter().map(read).collect()
    }

    fn webhook_unsealed_data(&mut self, limit: u32) -> Result<Vec<(TenantId, WebhookId, FormatData)>> {
        let rows = rows!(self.conn(), (String, String, String), UNSEALED_DATA, [i64::from(limit)], fetch_all)?;
        let read = |(tenant, id, data): (String, String, String)| {
            let row = RowRef::new("webhooks", &id);
            Ok((row.id("tenant_id", &tenant)?, row.id("id", &id)?, row.json("format_data", &data)?))
        };
        rows.into_iter().map(read).collect()
    }

    fn webhook_failing(&mut self, id: &WebhookId, since: Option<UtcMs>) -> Result<()> {
        let changed = match since {
            Some(since) => run!(self.conn(), FAILING, [id.as_str(), since.0])?,
            None => run!(self.conn(), HEALTHY, [id.as_str()])?,
        };
        if changed > 0 {
            self.subscriptions_changed();
        }
        Ok(())
    }

    fn webhook_delete(&mut self, tenant: &TenantId, id: &WebhookId) -> Result<bool> {
        self.subscriptions_changed();
        self.lock_outbox(std::slice::from_ref(tenant))?;
        Ok(run!(self.conn(), DELETE, [tenant.as_str(), id.as_str()])? > 0)
    }
}
