//! Figures: how many messages took which step, by day and device.

use portico_api as api;

use crate::id::DeviceId;
use crate::model::event::EventKind;
use crate::time::UtcMs;

const DAY_MS: i64 = 24 * 3600 * 1000;

/// A day, UTC: days since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub i64);

impl Day {
    /// The day of a point in time.
    pub fn of(time: UtcMs) -> Self {
        Self(time.0.div_euclid(DAY_MS))
    }

    /// As `2026-01-31`.
    pub fn iso(self) -> String {
        let mut text = UtcMs(self.0.saturating_mul(DAY_MS)).iso();
        text.truncate("2026-01-31".len());
        text
    }
}

/// How many messages took each step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageCounts {
    /// WhatsApp's server took them.
    pub sent: u64,
    /// They reached the recipient.
    pub delivered: u64,
    /// They were read.
    pub read: u64,
    /// They won't be sent.
    pub failed: u64,
    /// They came in.
    pub received: u64,
}

impl MessageCounts {
    /// Counts the step that an event tells of; events of other kinds count nothing.
    pub fn count(&mut self, kind: EventKind) {
        match kind {
            EventKind::MessageSent => self.sent += 1,
            EventKind::MessageDelivered => self.delivered += 1,
            EventKind::MessageRead => self.read += 1,
            EventKind::MessageFailed => self.failed += 1,
            EventKind::MessageReceived => self.received += 1,
            EventKind::DeviceState
            | EventKind::DeviceQr
            | EventKind::MessagePlayed
            | EventKind::GroupJoined
            | EventKind::GroupLeft
            | EventKind::GroupUpdated
            | EventKind::GroupMembers
            | EventKind::GroupRequests
            | EventKind::MessageReaction
            | EventKind::MessageEdited
            | EventKind::MessageRevoked
            | EventKind::MessageVoted
            | EventKind::MessagePinned
            | EventKind::WebhookDisabled
            | EventKind::WebhookTest
            | EventKind::MemberChanged => {}
        }
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The figures of one device on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayCounts {
    /// The day.
    pub day: Day,
    /// The device, which may be gone.
    pub device: DeviceId,
    /// The figures.
    pub counts: MessageCounts,
}

impl From<&DayCounts> for api::DayCounts {
    fn from(row: &DayCounts) -> Self {
        let MessageCounts { sent, delivered, read, failed, received } = row.counts;
        Self { day: row.day.iso(), device: row.device.to_string(), sent, delivered, read, failed, received }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_at_midnight_utc() {
        let time = |text| UtcMs::parse("time", text).expect("a time");
        assert_eq!(Day::of(time("2026-01-31T23:59:59.999Z")).iso(), "2026-01-31");
        assert_eq!(Day::of(time("2026-02-01T00:00:00Z")).iso(), "2026-02-01");
        assert_eq!(Day::of(time("1969-12-31T23:00:00Z")), Day(-1));
    }
}
