//! Figures: how many messages of a device took which step on which day.

use std::ops::RangeInclusive;

use portico_core::error::Result;
use portico_core::id::{DeviceId, TenantId};
use portico_core::model::analytics::{Day, DayCounts, MessageCounts};
use portico_core::ports::store::AnalyticsTx;

use crate::db::DbTx;
use crate::row;

table! {
    /// The figures of one device on one day as stored.
    message_counts: CountsRow<'r> => DayCounts {
        tenant_id: &'r str,
        day: i64,
        device_id: &'r str,
        sent: i64,
        delivered: i64,
        read: i64,
        failed: i64,
        received: i64,
    }
}

statements! {
    ADD =
        "INSERT INTO message_counts (tenant_id, day, device_id, sent, delivered, read, failed, received)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (tenant_id, day, device_id) DO UPDATE SET sent = message_counts.sent + excluded.sent,
             delivered = message_counts.delivered + excluded.delivered, read = message_counts.read + excluded.read,
             failed = message_counts.failed + excluded.failed, received = message_counts.received + excluded.received";
    LIST = concat!(
        "SELECT ", message_counts!(columns), " FROM message_counts WHERE tenant_id = $1 AND day >= $2 AND day <= $3
         ORDER BY day, device_id LIMIT $4"
    );
    LIST_DEVICE = concat!(
        "SELECT ", message_counts!(columns), " FROM message_counts
         WHERE tenant_id = $1 AND day >= $2 AND day <= $3 AND device_id = $5 ORDER BY day LIMIT $4"
    );
}

impl CountsRow<'_> {
    fn noun(&self) -> Result<DayCounts> {
        let counts = MessageCounts {
            sent: row::count(self.sent),
            delivered: row::count(self.delivered),
            read: row::count(self.read),
            failed: row::count(self.failed),
            received: row::count(self.received),
        };
        Ok(DayCounts { day: Day(self.day), device: self.at().id("device_id", self.device_id)?, counts })
    }
}

fn stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl AnalyticsTx for DbTx<'_> {
    fn counts_add(&mut self, tenant: &TenantId, device: &DeviceId, day: Day, counts: &MessageCounts) -> Result<()> {
        let MessageCounts { sent, delivered, read, failed, received } = *counts;
        let binds = [sent, delivered, read, failed, received].map(stored);
        run!(
            self.conn(),
            ADD,
            [tenant.as_str(), day.0, device.as_str(), binds[0], binds[1], binds[2], binds[3], binds[4]]
        )
        .map(drop)
    }

    fn counts_list(
        &mut self,
        tenant: &TenantId,
        device: Option<&DeviceId>,
        days: &RangeInclusive<Day>,
        most: u32,
    ) -> Result<Vec<DayCounts>> {
        let (tenant, from, to, most) = (tenant.as_str(), days.start().0, days.end().0, i64::from(most));
        match device {
            None => rows!(self.conn(), DayCounts, LIST, [tenant, from, to, most], fetch_all),
            Some(device) => {
                rows!(self.conn(), DayCounts, LIST_DEVICE, [tenant, from, to, most, device.as_str()], fetch_all)
            }
        }
    }
}
