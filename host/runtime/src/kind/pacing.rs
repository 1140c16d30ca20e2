//! The hook `pacing`: queries in, decisions out.

use std::time::Duration;

use portico_core::address::ChatKind;
use portico_core::ports::plugins::{Decision, Hook, PaceDevice, PaceQuery};
use wasmtime::Store;

use super::{GuestResult, HookCall, HookKind};
use crate::bindings::pacing as wit;
use crate::bindings::types::{self, Context};
use crate::breaker::FailureMode;
use crate::guest::Guest;
use crate::import::log::cut;
use crate::limits::{BATCH_ITEMS_MAX, DELAY_MAX, DETAIL_BYTES_MAX, HookLimits, Limits};
use crate::validate::check_batch;

/// The hook.
pub(crate) struct Kind;

impl HookKind for Kind {
    const HOOK: Hook = Hook::Pacing;
    const ON_FAILURE: FailureMode = FailureMode::FailClosed;
    const PURE: bool = true;
    type Export = wit::GuestIndices;
    type Smoke = Pace;

    fn limits(limits: &Limits) -> HookLimits {
        limits.pacing
    }

    fn smoke() -> Option<Pace> {
        let device = PaceDevice { age_days: 0, queued: 0, since_last_send: None };
        Some(Pace { device: device_to_wit(&device), queries: Vec::new() })
    }
}

/// One batch of queries of one device.
pub(crate) struct Pace {
    device: wit::DeviceState,
    queries: Vec<wit::Query>,
}

/// Cuts queries into batches that one call may carry.
pub(crate) fn batches(device: &PaceDevice, queries: &[PaceQuery]) -> Vec<Pace> {
    queries
        .chunks(BATCH_ITEMS_MAX)
        .map(|chunk| Pace { device: device_to_wit(device), queries: chunk.iter().map(to_wit).collect() })
        .collect()
}

fn millis(span: Duration) -> u32 {
    u32::try_from(span.as_millis()).unwrap_or(u32::MAX)
}

fn device_to_wit(device: &PaceDevice) -> wit::DeviceState {
    wit::DeviceState {
        age_days: device.age_days,
        queued: device.queued,
        since_last_send: device.since_last_send.map(millis),
    }
}

fn to_wit(query: &PaceQuery) -> wit::Query {
    wit::Query {
        id: query.id.clone(),
        chat_kind: match query.chat_kind {
            ChatKind::Direct => types::ChatKind::Direct,
            ChatKind::Group => types::ChatKind::Group,
            ChatKind::Broadcast => types::ChatKind::Broadcast,
            ChatKind::Newsletter => types::ChatKind::Newsletter,
        },
        first_contact: query.first_contact,
        kind: query.kind.clone(),
        characters: query.characters,
        waited: millis(query.waited),
    }
}

impl HookCall for Pace {
    type Kind = Kind;
    type Raw = Vec<wit::Decision>;
    type Answer = Vec<Decision>;

    async fn run(
        &self,
        hook: &wit::Guest,
        store: &mut Store<Guest>,
        context: &Context,
    ) -> wasmtime::Result<GuestResult<Self::Raw>> {
        hook.call_decide(store, context, self.device, &self.queries).await
    }

    fn check(&self, raw: Self::Raw) -> Result<Self::Answer, String> {
        check_batch(raw, self.queries.len(), decision)
    }
}

fn decision(raw: wit::Decision) -> Result<Decision, String> {
    let span = |ms: u32| {
        let span = Duration::from_millis(ms.into());
        if span <= DELAY_MAX { Ok(span) } else { Err(format!("{span:?} is longer than {DELAY_MAX:?}")) }
    };
    Ok(match raw {
        wit::Decision::Go(plan) => Decision::Go { delay: span(plan.delay)? },
        wit::Decision::Hold(hold) => Decision::Hold {
            retry_after: span(hold.retry_after)?,
            reason: cut(&hold.reason, DETAIL_BYTES_MAX).to_owned(),
        },
        wit::Decision::Deny(why) => Decision::Deny(cut(&why, DETAIL_BYTES_MAX).to_owned()),
    })
}

/// Of two plugins' decisions the one that sends later: deny before hold before go, then the longer wait.
pub(crate) fn stricter(one: Decision, other: Decision) -> Decision {
    let rank = |decision: &Decision| match decision {
        Decision::Go { delay } => (0, *delay),
        Decision::Hold { retry_after, .. } => (1, *retry_after),
        Decision::Deny(_) => (2, Duration::ZERO),
    };
    if rank(&other) > rank(&one) { other } else { one }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_not_held_for_ever() {
        let week = millis(DELAY_MAX);
        assert!(decision(wit::Decision::Go(wit::Plan { delay: week })).is_ok());
        assert!(decision(wit::Decision::Go(wit::Plan { delay: week + 1 })).is_err());
        let hold = wit::Hold { retry_after: u32::MAX, reason: "no".into() };
        assert!(decision(wit::Decision::Hold(hold)).is_err());
    }

    #[test]
    fn the_stricter_decision_wins() {
        let go = |s| Decision::Go { delay: Duration::from_secs(s) };
        let hold = Decision::Hold { retry_after: Duration::from_secs(1), reason: "night".into() };
        assert_eq!(stricter(go(1), go(2)), go(2));
        assert_eq!(stricter(hold.clone(), go(9)), hold);
        assert_eq!(stricter(hold, Decision::Deny("no".into())), Decision::Deny("no".into()));
    }
}
