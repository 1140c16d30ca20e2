//! Figures: counted with the events that tell of the steps, and so exactly once.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::Event;
use crate::access::authorize::Action;
use crate::context::{OpContext, Write};
use crate::error::{Error, Result};
use crate::id::{DeviceId, TenantId};
use crate::model::analytics::{Day, DayCounts, MessageCounts};
use crate::ports::Tx;
use crate::time::UtcMs;

/// Rows of an answer at most.
const ROWS_MAX: u32 = 10_000;

/// Counts what was just stored; all of it is about one device, or none.
pub(super) fn count(tx: &mut Write<'_>, tenant: &TenantId, stored: &[Event]) -> Result<()> {
    let Some(device) = stored.first().and_then(|event| event.device.as_ref()) else { return Ok(()) };
    let mut days: BTreeMap<Day, MessageCounts> = BTreeMap::new();
    for event in stored {
        days.entry(Day::of(event.timestamp)).or_default().count(event.kind);
    }
    for (day, counts) in days.iter().filter(|(_, counts)| !counts.is_empty()) {
        tx.counts_add(tenant, device, *day, counts)?;
    }
    Ok(())
}

/// The figures from the day of `from` to the day of `to`, both included, of the devices that the caller reaches or of one.
///
/// # Errors
/// [`Error::Invalid`] when the span is upside down, or holds more rows than an answer may have.
pub async fn daily(ctx: &OpContext, device: Option<DeviceId>, from: UtcMs, to: UtcMs) -> Result<Vec<DayCounts>> {
    let access = ctx.require_reaching(Action::SeeAnalytics)?;
    let days: RangeInclusive<Day> = Day::of(from)..=Day::of(to);
    if days.is_empty() {
        return Err(Error::invalid("from", "must not be after `to`"));
    }
    let (device, caller) = (access.narrowed(device)?, ctx.caller().clone());
    let list = move |tx: &mut dyn Tx, tenant: &TenantId| {
        let mut rows = tx.counts_list(tenant, device.as_ref(), &days, ROWS_MAX + 1)?;
        if rows.len() > ROWS_MAX as usize {
            let why = format!("the span holds more than {ROWS_MAX} rows; ask for fewer days, or for one device");
            return Err(Error::invalid("from", why));
        }
        rows.retain(|row| caller.reaches(&row.device));
        Ok(rows)
    };
    access.read(list).await
}
