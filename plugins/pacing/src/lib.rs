//! When a message may go: at once, unless the settings slow the device down.
//!
//! The host has no pace of its own. Settings may differ by device: messages a minute, and a pause between bounds that is drawn
//! anew for each message. Further rules (quiet hours, warming up) belong here or in a plugin beside this one, never in the
//! host. Invariants: one decision per query, in order; with settings that say nothing every message goes at once.

use portico_sdk::pacing::{Decision, DeviceState, Hold, Pacing, Plan, Query};
use portico_sdk::{Context, HookError};
use serde::Deserialize;

/// The plugin.
pub struct Pace;

portico_sdk::register!(Pace: pacing);

/// A delay at most: what the interface allows.
const DELAY_MS_MAX: u64 = 7 * 24 * 3_600_000;
/// From here on a message is held and asked about again, so that what is decided meanwhile counts. The host holds no message for
/// less than that.
const HOLD_MS_MIN: u64 = 1_000;

/// As in `settings.schema.json`, where the defaults and the bounds are as well.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Settings {
    messages_per_minute: u32,
    pause_min_ms: u32,
    pause_max_ms: u32,
    first_contact_pause_ms: u32,
}

impl Settings {
    /// The pause between one message and the next, by 32 random bits.
    fn pause(&self, random: u32) -> u64 {
        let spread = u64::from(self.pause_max_ms.saturating_sub(self.pause_min_ms));
        let drawn = u64::from(self.pause_min_ms) + (spread * u64::from(random)) / u64::from(u32::MAX);
        let even = match self.messages_per_minute {
            0 => 0,
            per_minute => 60_000 / u64::from(per_minute),
        };
        drawn.max(even)
    }
}

impl Pacing for Pace {
    fn decide(ctx: &Context, device: &DeviceState, queries: &[Query]) -> Result<Vec<Decision>, HookError> {
        let settings: Settings = ctx.settings()?;
        let mut random = Random::new(ctx.seed);
        // When the next message may go, from now. The first one waits for the rest of the pause after the last.
        let since_last = device.since_last_send.map_or(u64::MAX, u64::from);
        let mut next = settings.pause(random.draw()).saturating_sub(since_last);
        let decide = |query: &Query| {
            let further = if query.first_contact { u64::from(settings.first_contact_pause_ms) } else { 0 };
            let delay = (next + further).min(DELAY_MS_MAX);
            next = delay + settings.pause(random.draw());
            decision(u32::try_from(delay).unwrap_or(u32::MAX))
        };
        Ok(queries.iter().map(decide).collect())
    }
}

/// What a message has to do that may go after so many milliseconds.
fn decision(delay: u32) -> Decision {
    if u64::from(delay) < HOLD_MS_MIN {
        return Decision::Go(Plan { delay });
    }
    Decision::Hold(Hold { retry_after: delay, reason: "the pause between messages is not over".into() })
}

/// Numbers that follow from a seed alone (xorshift), so that the same call gives the same answer.
struct Random(u64);

impl Random {
    fn new((high, low): (u32, u32)) -> Self {
        Self((u64::from(high) << 32 | u64::from(low)) | 1)
    }

    fn draw(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use portico_sdk::ChatKind;

    use super::*;

    fn query(first_contact: bool) -> Query {
        Query {
            id: "msg_1".into(),
            chat_kind: ChatKind::Direct,
            first_contact,
            kind: "text".into(),
            characters: 5,
            waited: 0,
        }
    }

    fn delays(settings: &str, since_last_send: Option<u32>, first_contact: bool) -> Vec<u32> {
        let ctx = Context { settings: settings.into(), ..Context::for_tests() };
        let device = DeviceState { age_days: 0, queued: 3, since_last_send };
        let queries = [query(first_contact), query(false), query(false)];
        let delay = |decision: Decision| match decision {
            Decision::Go(plan) => plan.delay,
            Decision::Hold(hold) => hold.retry_after,
            Decision::Deny(why) => panic!("{why}"),
        };
        Pace::decide(&ctx, &device, &queries).expect("decided").into_iter().map(delay).collect()
    }

    #[test]
    fn without_settings_every_message_goes_at_once() {
        assert_eq!(delays("{}", Some(0), true), [0, 0, 0]);
    }

    #[test]
    fn messages_are_spread_evenly_over_the_minute() {
        let settings = r#"{"messages_per_minute": 30}"#;
        assert_eq!(delays(settings, None, false), [0, 2_000, 4_000]);
        assert_eq!(delays(settings, Some(500), false), [1_500, 3_500, 5_500]);
        assert_eq!(delays(settings, Some(60_000), false), [0, 2_000, 4_000]);
    }

    #[test]
    fn pauses_are_drawn_between_their_bounds() {
        let settings = r#"{"pause_min_ms": 1000, "pause_max_ms": 3000}"#;
        let [first, second, third] = delays(settings, None, false)[..] else { panic!("three") };
        assert_eq!(first, 0);
        for pause in [second - first, third - second] {
            assert!((1_000..=3_000).contains(&pause), "{pause}");
        }
        assert_eq!(delays(settings, None, false), [first, second, third], "the same call gives the same answer");
        assert_eq!(delays(r#"{"pause_min_ms": 700}"#, None, false), [0, 700, 1_400]);
    }

    #[test]
    fn a_message_that_waits_long_is_asked_about_again() {
        assert_eq!(decision(999), Decision::Go(Plan { delay: 999 }));
        assert!(matches!(decision(1_000), Decision::Hold(hold) if hold.retry_after == 1_000));
    }

    #[test]
    fn the_first_message_to_a_chat_waits_longer() {
        assert_eq!(delays(r#"{"first_contact_pause_ms": 800}"#, None, true), [800, 800, 800]);
    }
}
