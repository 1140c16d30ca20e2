//! What a start has to put right about webhooks before anything is delivered.

use std::sync::Arc;

use crate::context::Ports;
use crate::error::Result;
use crate::model::webhook::SealedHeaders;
use crate::ports::Tx;
use crate::ports::store::WebhookChange;

/// Gives up what the process of before had claimed, so that its deliveries don't wait for the end of their leases.
pub async fn release_claims(ports: &Arc<Ports>) -> Result<()> {
    let now = ports.now();
    ports.write(move |tx| tx.delivery_release(now).map(drop)).await
}

/// Subscriptions whose headers are sealed in one transaction.
const SEALED_AT_ONCE: u32 = 100;

/// Seals headers that an earlier version stored in the clear. Runs at every start and reads nothing once all are sealed.
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
            Ok(unsealed.is_empty())
        };
        if ports.store.write(seal_some).await? {
            return Ok(());
        }
    }
}
