//! Webhook subscriptions in the store.

use crate::error::Result;
use crate::id::{DeviceId, TenantId, WebhookId};
use crate::model::webhook::{
    EventFilter, FormatData, Headers, SealedFormatData, SealedHeaders, SecretForm, Webhook, WebhookState,
};
use crate::page::PageRequest;
use crate::time::UtcMs;

/// What a subscription is changed to; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct WebhookChange {
    /// Where deliveries go.
    pub url: Option<String>,
    /// What is wanted.
    pub events: Option<Vec<EventFilter>>,
    /// Headers, all of them.
    pub headers: Option<SealedHeaders>,
    /// The format plugin.
    pub format: Option<String>,
    /// What the format plugin is told with each event.
    pub format_data: Option<SealedFormatData>,
    /// Enabled or not, and why not. Enabling clears `failing_since`.
    pub state: Option<(WebhookState, Option<String>)>,
    /// The signing key, sealed, and how it is written.
    pub secret: Option<(Vec<u8>, SecretForm)>,
}

/// Subscriptions.
pub trait WebhookTx {
    /// Adds a subscription.
    fn webhook_insert(&mut self, webhook: &Webhook) -> Result<()>;

    /// A subscription of a tenant.
    fn webhook_find(&mut self, tenant: &TenantId, id: &WebhookId) -> Result<Option<Webhook>>;

    /// Subscriptions by ids that came out of the store itself, of any tenant.
    fn webhook_load_many(&mut self, ids: &[WebhookId]) -> Result<Vec<Webhook>>;

    /// The enabled subscriptions of a tenant that see events of this device, or of none. On a database where others write at
    /// the same time they can't be deleted until the transaction ends.
    fn webhook_candidates(&mut self, tenant: &TenantId, device: Option<&DeviceId>) -> Result<Vec<Webhook>>;

    /// Subscriptions, newest first; one more than asked for where there are more. With `device`: only those bound to it.
    fn webhook_list(
        &mut self,
        tenant: &TenantId,
        device: Option<&DeviceId>,
        page: &PageRequest,
    ) -> Result<Vec<Webhook>>;

    /// How many there are.
    fn webhook_count(&mut self, tenant: &TenantId) -> Result<u32>;

    /// How many subscriptions [`Self::webhook_list`] can give in all, counted up to `most`.
    fn webhook_total(&mut self, tenant: &TenantId, device: Option<&DeviceId>, most: u32) -> Result<u64>;

    /// Changes a subscription; `false` when there is none.
    fn webhook_change(&mut self, tenant: &TenantId, id: &WebhookId, change: &WebhookChange) -> Result<bool>;

    /// Subscriptions of any tenant whose headers an earlier version stored in the clear. Giving one new headers seals it.
    fn webhook_unsealed(&mut self, limit: u32) -> Result<Vec<(TenantId, WebhookId, Headers)>>;

    /// Subscriptions of any tenant whose format data an earlier version stored in the clear. Giving one new data seals it.
    fn webhook_unsealed_data(&mut self, limit: u32) -> Result<Vec<(TenantId, WebhookId, FormatData)>>;

    /// Records that attempts fail since `since`, or (`None`) that one succeeded.
    fn webhook_failing(&mut self, id: &WebhookId, since: Option<UtcMs>) -> Result<()>;

    /// Removes a subscription with its deliveries; `false` when there is none.
    fn webhook_delete(&mut self, tenant: &TenantId, id: &WebhookId) -> Result<bool>;
}
