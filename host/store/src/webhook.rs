//! Webhook subscriptions.

use async_trait::async_trait;
use portico_core::error::Result;
use portico_core::id::{DeviceId, TenantId, WebhookId};
use portico_core::page::PageRequest;
use portico_core::ports::store::{WebhookChange, WebhookTx};
use portico_core::time::UtcMs;
use portico_core::webhook::{EventFilter, Webhook, WebhookState};

use crate::db::DbTx;
use crate::flavour;
use crate::row::{self, Place, clean, clean_option, ms};
use crate::statement::pieces;

statements! {
    INSERT = concat!(
        "INSERT INTO webhooks (", webhook_columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
    );
    FIND = concat!("SELECT ", webhook_columns!(), " FROM webhooks WHERE tenant_id = $1 AND id = $2");
    LOAD_MANY = concat!("SELECT ", webhook_columns!(), " FROM webhooks WHERE id IN ({$})");
    LIST = concat!(
        "SELECT ", webhook_columns!(), " FROM webhooks WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3"
    );
    LIST_DEVICE = concat!(
        "SELECT ", webhook_columns!(), " FROM webhooks WHERE tenant_id = $1 AND id < $2 AND device_id = $4
         ORDER BY id DESC LIMIT $3"
    );
    COUNT = "SELECT COUNT(*) FROM webhooks WHERE tenant_id = $1";
    CHANGE =
        "UPDATE webhooks SET url = COALESCE($3, url), events = COALESCE($4, events), headers = COALESCE($5, headers),
             format = COALESCE($6, format), state = COALESCE($7, state),
             reason = CASE WHEN $7 IS NULL THEN reason ELSE $8 END,
             failing_since_ms = CASE WHEN $7 = 'enabled' THEN NULL ELSE failing_since_ms END,
             sealed_secret = COALESCE($9, sealed_secret)
         WHERE tenant_id = $1 AND id = $2";
    /// The first failure counts: a later one must not move it.
    FAILING = "UPDATE webhooks SET failing_since_ms = COALESCE(failing_since_ms, $2) WHERE id = $1";
    HEALTHY = "UPDATE webhooks SET failing_since_ms = NULL WHERE id = $1 AND failing_since_ms IS NOT NULL";
    DELETE = "DELETE FROM webhooks WHERE tenant_id = $1 AND id = $2";
}

#[derive(sqlx::FromRow)]
struct WebhookRow {
    id: String,
    tenant_id: String,
    device_id: Option<String>,
    url: String,
    events: String,
    headers: String,
    format: String,
    state: String,
    reason: Option<String>,
    failing_since_ms: Option<i64>,
    created_ms: i64,
    sealed_secret: Vec<u8>,
}

impl WebhookRow {
    fn noun(self) -> Result<Webhook> {
        let place = Place::new("webhooks", &self.id);
        let filters: Vec<String> = place.json("events", &self.events)?;
        Ok(Webhook {
            id: place.id("id", &self.id)?,
            tenant: place.id("tenant_id", &self.tenant_id)?,
            device: place.id_option("device_id", self.device_id.as_deref())?,
            events: filters.iter().map(|f| place.name("events", f, EventFilter::parse)).collect::<Result<_>>()?,
            headers: place.json("headers", &self.headers)?,
            state: place.name("state", &self.state, state_from)?,
            failing_since: self.failing_since_ms.map(UtcMs),
            created_at: UtcMs(self.created_ms),
            url: self.url,
            format: self.format,
            reason: self.reason,
            sealed_secret: self.sealed_secret,
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

/// The enabled subscriptions that see events of this device. They stay until the transaction ends.
pub(crate) async fn candidates(tx: &mut DbTx, tenant: &TenantId, device: Option<&DeviceId>) -> Result<Vec<Webhook>> {
    let device = device.map(|d| d.as_str());
    let rows = rows!(tx.conn(), WebhookRow, flavour::WEBHOOKS_CANDIDATES, [tenant.as_str(), device], fetch_all)?;
    rows.into_iter().map(WebhookRow::noun).collect()
}

#[async_trait]
impl WebhookTx for DbTx {
    async fn webhook_insert(&mut self, webhook: &Webhook) -> Result<()> {
        let events = row::json(&webhook.events)?;
        let headers = row::json(&webhook.headers)?;
        run!(
            self.conn(),
            INSERT,
            [
                webhook.id.as_str(),
                webhook.tenant.as_str(),
                webhook.device.as_ref().map(|d| d.as_str()),
                clean(&webhook.url).as_ref(),
                &events,
                &headers,
                clean(&webhook.format).as_ref(),
                state_name(webhook.state),
                clean_option(webhook.reason.as_deref()).as_deref(),
                ms(webhook.failing_since),
                webhook.created_at.0,
                &webhook.sealed_secret[..],
            ]
        )?;
        Ok(())
    }

    async fn webhook_find(&mut self, tenant: &TenantId, id: &WebhookId) -> Result<Option<Webhook>> {
        let row = rows!(self.conn(), WebhookRow, FIND, [tenant.as_str(), id.as_str()], fetch_optional)?;
        row.map(WebhookRow::noun).transpose()
    }

    async fn webhook_load_many(&mut self, ids: &[WebhookId]) -> Result<Vec<Webhook>> {
        let mut found = Vec::with_capacity(ids.len());
        for piece in pieces(ids) {
            let rows = rows_many!(self.conn(), WebhookRow, LOAD_MANY, [], piece, |id| [id.as_str()])?;
            found.extend(rows);
        }
        found.into_iter().map(WebhookRow::noun).collect()
    }

    async fn webhook_list(
        &mut self,
        tenant: &TenantId,
        device: Option<&DeviceId>,
        page: &PageRequest,
    ) -> Result<Vec<Webhook>> {
        let tenant = tenant.as_str();
        let (before, limit) = (row::cursor(page), row::page_rows(page));
        let rows = match device {
            None => rows!(self.conn(), WebhookRow, LIST, [tenant, before, limit], fetch_all)?,
            Some(device) => {
                rows!(self.conn(), WebhookRow, LIST_DEVICE, [tenant, before, limit, device.as_str()], fetch_all)?
            }
        };
        rows.into_iter().map(WebhookRow::noun).collect()
    }

    async fn webhook_count(&mut self, tenant: &TenantId) -> Result<u32> {
        let (number,) = rows!(self.conn(), (i64,), COUNT, [tenant.as_str()], fetch_one)?;
        Ok(row::count_u32(number))
    }

    async fn webhook_change(&mut self, tenant: &TenantId, id: &WebhookId, change: &WebhookChange) -> Result<bool> {
        let events = change.events.as_ref().map(row::json).transpose()?;
        let headers = change.headers.as_ref().map(row::json).transpose()?;
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
                clean_option(change.url.as_deref()).as_deref(),
                events.as_deref(),
                headers.as_deref(),
                clean_option(change.format.as_deref()).as_deref(),
                state,
                clean_option(reason).as_deref(),
                change.sealed_secret.as_deref(),
            ]
        )?;
        Ok(changed > 0)
    }

    async fn webhook_failing(&mut self, id: &WebhookId, since: Option<UtcMs>) -> Result<()> {
        match since {
            Some(since) => run!(self.conn(), FAILING, [id.as_str(), since.0])?,
            None => run!(self.conn(), HEALTHY, [id.as_str()])?,
        };
        Ok(())
    }

    async fn webhook_delete(&mut self, tenant: &TenantId, id: &WebhookId) -> Result<bool> {
        self.lock_outbox(std::slice::from_ref(tenant)).await?;
        Ok(run!(self.conn(), DELETE, [tenant.as_str(), id.as_str()])? > 0)
    }
}
