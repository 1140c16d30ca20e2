//! When a message may go: at once.
//!
//! The host has no pace of its own either. Rules that slow sending down (quiet hours, warming up, caps by the hour) belong
//! here or in a plugin beside this one, never in the host. Invariant: one decision per query, in order.

use portico_sdk::pacing::{Decision, DeviceState, Pacing, Plan, Query};
use portico_sdk::{Context, HookError};

/// The plugin.
pub struct AtOnce;

portico_sdk::register!(AtOnce: pacing);

impl Pacing for AtOnce {
    fn decide(_: &Context, _: &DeviceState, queries: &[Query]) -> Result<Vec<Decision>, HookError> {
        Ok(queries.iter().map(|_| Decision::Go(Plan { delay: 0 })).collect())
    }
}

#[cfg(test)]
mod tests {
    use portico_sdk::ChatKind;

    use super::*;

    #[test]
    fn every_message_goes_at_once() {
        let query = Query {
            id: "msg_1".into(),
            chat_kind: ChatKind::Direct,
            first_contact: true,
            kind: "text".into(),
            characters: 5,
            waited: 0,
        };
        let device = DeviceState { age_days: 0, queued: 2, since_last_send: None };
        let decisions = AtOnce::decide(&Context::for_tests(), &device, &[query.clone(), query]);
        assert_eq!(decisions, Ok(vec![Decision::Go(Plan { delay: 0 }); 2]));
    }
}
