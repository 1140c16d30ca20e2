//! What became of what a user's devices sent.

use portico_sdk::api::{Message, MessageStatus, ProblemCode};
use portico_sdk::dialect::{Call, Fault};
use portico_sdk::http::Response;
use portico_sdk::time::parse;
use serde_json::{Value, json};

use crate::sections::devices::devices_of;
use crate::{Devices, data};

/// Requests of the core for messages, over all devices: a call may make only so many. Each gives up to 200 messages.
const REQUESTS_MAX: usize = 25;

const DAY_MS: u64 = 86_400_000;

/// Counts the newest messages. Days and weeks are those of UTC, weeks begin on Mondays.
pub(super) fn of_user(call: &Call<Devices>) -> Result<Response, Fault> {
    let devices = devices_of(call, call.raw("userId"))?;
    if devices.len() > REQUESTS_MAX {
        return Err(Fault::new(ProblemCode::Unsupported, "the user has too many devices to be asked at once"));
    }
    let requests = REQUESTS_MAX / devices.len().max(1);
    let mut sent: Vec<Message> = Vec::new();
    for device in devices {
        sent.extend(call.gateway.first(&format!("/v1/devices/{}/messages?direction=out", device.id), requests)?);
    }
    Ok(data(stats(&sent, call.now_ms)))
}

fn stats(messages: &[Message], now_ms: u64) -> Value {
    let today = now_ms / DAY_MS;
    // The first day of 1970 was a Thursday.
    let monday = today.saturating_sub((today + 3) % 7);
    let all = Count::of(messages, 0);
    let reached = |steps: &[MessageStatus]| messages.iter().filter(|message| steps.contains(&message.status)).count();
    let read = reached(&[MessageStatus::Read, MessageStatus::Played]);
    json!({
        "totalSent": all.sent,
        "totalFailed": all.failed,
        "successRate": all.rate(),
        "today": Count::of(messages, today).shown(),
        "thisWeek": Count::of(messages, monday).shown(),
        // What was read was delivered, and what was delivered was sent.
        "byStatus": {
            "sent": all.sent,
            "delivered": reached(&[MessageStatus::Delivered]) + read,
            "read": read,
            "failed": all.failed,
        },
    })
}

/// Messages that were sent and that failed; those on their way are neither.
struct Count {
    sent: usize,
    failed: usize,
}

impl Count {
    /// From a day on, counted from the first of 1970.
    fn of(messages: &[Message], from_day: u64) -> Self {
        let at = |message: &Message| parse(message.created_at.as_str()).unwrap_or_default() / DAY_MS;
        let mut count = Self { sent: 0, failed: 0 };
        for message in messages.iter().filter(|message| at(message) >= from_day) {
            match message.status {
                MessageStatus::Queued => {}
                MessageStatus::Failed => count.failed += 1,
                _ => count.sent += 1,
            }
        }
        count
    }

    /// Of a hundred, how many were sent, with two decimals; of none, none.
    fn rate(&self) -> f64 {
        let all = self.sent + self.failed;
        let hundredths = (self.sent * 10_000 + all / 2).checked_div(all).unwrap_or_default();
        f64::from(u32::try_from(hundredths).unwrap_or(u32::MAX)) / 100.0
    }

    fn shown(&self) -> Value {
        json!({ "sent": self.sent, "failed": self.failed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(day: &str, status: &str) -> Message {
        let at = format!("{day}T12:00:00.000Z");
        let message = json!({ "id": "msg_1", "device": "dev_1", "direction": "out", "whatsapp_id": "3EB0", "status": status,
            "chat": { "id": "15550100002@s.whatsapp.net" }, "content": { "type": "text", "text": "Hello!" },
            "created_at": at, "timestamp": at, "times": {} });
        serde_json::from_value(message).expect("a message")
    }

    #[test]
    fn weeks_begin_on_mondays_and_what_is_on_its_way_is_not_counted() {
        // A Wednesday, its Monday and the Sunday before.
        let now = parse("2026-01-07T18:00:00.000Z").expect("a time");
        let messages = [
            message("2026-01-07", "sent"),
            message("2026-01-07", "queued"),
            message("2026-01-05", "read"),
            message("2026-01-05", "failed"),
            message("2026-01-04", "delivered"),
        ];
        let expected = json!({ "totalSent": 3, "totalFailed": 1, "successRate": 75.0, "today": { "sent": 1, "failed": 0 },
            "thisWeek": { "sent": 2, "failed": 1 }, "byStatus": { "sent": 3, "delivered": 2, "read": 1, "failed": 1 } });
        assert_eq!(stats(&messages, now), expected);
    }

    #[test]
    fn a_rate_has_two_decimals() {
        assert_eq!(Count { sent: 2, failed: 1 }.rate(), 66.67);
        assert_eq!(Count { sent: 0, failed: 0 }.rate(), 0.0);
    }
}
