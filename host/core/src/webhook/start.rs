//! What a start has to put right about webhooks before anything is delivered.

use std::sync::Arc;

use crate::context::Ports;
use crate::error::Result;
use crate::model::webhook::{SealedFormatData, SealedHeaders};
use crate::ports::Tx;
use crate::ports::store::WebhookChange;

/// Gives up what the process of before had claimed, so that its deliveries don't wait for the end of their leases.
pub async fn release_claims(ports: &Arc<Ports>) -> Result<()> {
    let now = ports.now();
    ports.write(move |tx| tx.delivery_release(now).map(drop)).await
}

/// Subscriptions of which something is sealed in one transaction.
const SEALED_AT_ONCE: u32 = 100;

/// Seals headers and format data that an earlier version stored in the clear. Runs at every start and reads nothing once all are
/// sealed.
///
/// # Errors
/// Those of the store and the sealer; what was sealed before stays so, and the next start goes on.
pub async fn seal_unsealed(ports: &Ports) -> Result<()> {
    loop {
        let sealer = ports.sealer.clone();
        let seal_some = move |tx: &mut dyn Tx| {
            let unsealed = tx.webhook_unsealed(SEALED_AT_ONCE)?;
            for (tenant, id, headers) in &unsealed {
                let headers = Some(SealedHeaders::seal(&sealer, id, headers)?);
                tx.webhook_change(tenant, id, &WebhookChange { headers, ..WebhookChange::default() })?;
            }
            let of_formats = tx.webhook_unsealed_data(SEALED_AT_ONCE)?;
            for (tenant, id, data) in &of_formats {
                let format_data = Some(SealedFormatData::seal(&sealer, id, data)?);
                tx.webhook_change(tenant, id, &WebhookChange { format_data, ..WebhookChange::default() })?;
            }
            Ok(unsealed.is_empty() && of_formats.is_empty())
        };
        if ports.store.write(seal_some).await? {
            return Ok(());
        }
    }
}
