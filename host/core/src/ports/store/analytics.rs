//! Figures in the store.

use std::ops::RangeInclusive;

use crate::error::Result;
use crate::id::{DeviceId, TenantId};
use crate::model::analytics::{Day, DayCounts, MessageCounts};

/// Figures.
pub trait AnalyticsTx {
    /// Adds to what was counted of a device on a day.
    fn counts_add(&mut self, tenant: &TenantId, device: &DeviceId, day: Day, counts: &MessageCounts) -> Result<()>;

    /// What was counted on these days, of all devices or one, oldest day first; at most `most` rows.
    fn counts_list(
        &mut self,
        tenant: &TenantId,
        device: Option<&DeviceId>,
        days: &RangeInclusive<Day>,
        most: u32,
    ) -> Result<Vec<DayCounts>>;
}
