//! What one call of a plugin costs, in this process, in a loop.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use portico::machine::{SystemClock, SystemRng};
use portico_core::event::{Event, EventKind};
use portico_core::id::{EventId, TenantId};
use portico_core::ports::Plugins;
use portico_core::ports::plugins::Subscription;
use portico_core::time::UtcMs;
use portico_runtime::{Runtime, RuntimeConfig};
use serde_json::json;

/// Calls `webhook-format` so many times and tells how long one call takes.
///
/// # Errors
/// When the runtime does not start or a call fails.
pub async fn run(calls: usize) -> Result<String> {
    let config = RuntimeConfig::new(Arc::new(SystemClock), Arc::new(SystemRng));
    let runtime = Runtime::start(config, portico::bundle::sources(None)?).await?;
    let tenant = TenantId::new(1, 1);
    let event = [Event {
        id: EventId::new(1, 1),
        seq: 1,
        kind: EventKind::MessageReceived,
        tenant: tenant.clone(),
        device: None,
        lane: "15550100002@s.whatsapp.net".to_owned(),
        timestamp: UtcMs(1_767_225_600_000),
        data: json!({ "chat": { "id": "15550100002@s.whatsapp.net" }, "content": { "type": "text", "text": "Hello" } }),
    }];
    let mut micros = Vec::with_capacity(calls);
    for _ in 0..calls {
        let began = Instant::now();
        runtime.format("webhook-format", None, &Subscription::plain(&tenant), &event).await?;
        micros.push(began.elapsed().as_secs_f64() * 1e6);
    }
    micros.sort_by(f64::total_cmp);
    let median = micros.get(calls / 2).context("no calls")?;
    let p99 = micros.get(calls * 99 / 100).context("no calls")?;
    Ok(format!("   {calls} calls: median {median:.1} µs, p99 {p99:.1} µs"))
}
