//! The hook `pacing`: queries in, decisions out.

use std::time::Duration;

use portico_core::address::ChatKind;
use portico_core::ports::plugins::{Decision, Hook, PaceDevice, PaceQuery};

use crate::bindings::{pacing as wit, types};
use crate::call::{FreshInstance, GuestResult, HookCall};
use crate::import::log::cut;
use crate::limits::{BATCH_ITEMS_MAX, DELAY_MAX, DETAIL_BYTES_MAX};
use crate::validate::check_batch;

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

/// The batch of the smoke test at install.
pub(crate) fn empty() -> Pace {
    let device = PaceDevice { age_days: 0, queued: 0, since_last_send: None };
    Pace { device: device_to_wit(&device), queries: Vec::new() }
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
    const HOOK: Hook = Hook::Pacing;
    const PURE: bool = true;
    type Raw = Vec<wit::Decision>;
    type Answer = Vec<Decision>;

    async fn run(&self, guest: FreshInstance<'_>) -> wasmtime::Result<GuestResult<Self::Raw>> {
        let hook = guest.export(|exports| exports.pacing.as_ref())?.load(&mut *guest.store, &guest.instance)?;
        hook.call_decide(guest.store, guest.context, self.device, &self.queries).await
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
