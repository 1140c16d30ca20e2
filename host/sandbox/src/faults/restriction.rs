//! What WhatsApp limits an account by. Both limits refuse first contacts with 463 and let open chats go on:
//! the *reach-out time-lock*, which ends at a time, and *new-chat capping*, a quota per cycle with warnings before it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::now_s;

/// How far new-chat capping has come, in WhatsApp's words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CappingStatus {
    /// No limit is near.
    #[default]
    None,
    /// The first warning was shown.
    FirstWarning,
    /// The second warning was shown.
    SecondWarning,
    /// The quota is used up.
    Capped,
}

/// A quota of first contacts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Capping {
    /// First contacts of a cycle.
    pub total: u32,
    /// Those already made; the network counts on.
    pub used: u32,
    /// When the cycle began, in seconds since the Unix epoch.
    pub cycle_start_s: u64,
    /// When it ends.
    pub cycle_end_s: u64,
}

impl Capping {
    /// Warnings come at half and at four fifths of the quota.
    pub(crate) fn status(&self) -> CappingStatus {
        let (used, total) = (u64::from(self.used), u64::from(self.total));
        match () {
            () if used >= total => CappingStatus::Capped,
            () if used * 5 >= total * 4 => CappingStatus::SecondWarning,
            () if used * 2 >= total => CappingStatus::FirstWarning,
            () => CappingStatus::None,
        }
    }

    fn is_running(&self) -> bool {
        self.cycle_end_s == 0 || self.cycle_end_s > now_s()
    }
}

/// What an account is limited by; nothing for an ordinary one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Restriction {
    /// Until when the account may not write to strangers, in seconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reach_out_until_s: Option<u64>,
    /// The quota of first contacts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capping: Option<Capping>,
}

impl Restriction {
    fn locked_until(&self) -> Option<u64> {
        self.reach_out_until_s.filter(|until| *until > now_s())
    }

    /// Counts a first contact; false when it is refused.
    pub(crate) fn reach_out(&mut self) -> bool {
        if self.locked_until().is_some() {
            return false;
        }
        match self.capping.as_mut().filter(|capping| capping.is_running()) {
            Some(capping) if capping.used >= capping.total => false,
            Some(capping) => {
                capping.used += 1;
                true
            }
            None => true,
        }
    }

    /// The time-lock, as GraphQL tells it.
    pub(crate) fn time_lock(&self) -> Value {
        match self.locked_until() {
            Some(until) => json!({
                "is_active": true,
                "time_enforcement_ends": until.to_string(),
                "enforcement_type": "BIZ_COMMERCE_VIOLATION_RESTRICTED_REACHOUT",
            }),
            None => json!({"is_active": false, "time_enforcement_ends": null, "enforcement_type": "DEFAULT"}),
        }
    }

    /// The quota, as GraphQL tells it.
    pub(crate) fn quota(&self) -> Value {
        let capping = self.capping.filter(Capping::is_running);
        let status = capping.map(|capping| capping.status()).unwrap_or_default();
        let capping = capping.unwrap_or_default();
        json!({
            "capping_status": status,
            "total_quota": capping.total.to_string(),
            "used_quota": capping.used.to_string(),
            "cycle_start_timestamp": capping.cycle_start_s,
            "cycle_end_timestamp": capping.cycle_end_s,
            "server_sent_timestamp": now_s(),
            "ote_status": "NOT_ELIGIBLE",
            "mv_status": "NOT_ELIGIBLE",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_warns_before_it_refuses() {
        let mut restriction =
            Restriction { capping: Some(Capping { total: 5, ..Capping::default() }), ..Restriction::default() };
        let mut seen = Vec::new();
        while restriction.reach_out() {
            seen.extend(restriction.capping.map(|capping| capping.status()));
        }
        use CappingStatus::{Capped, FirstWarning, None, SecondWarning};
        assert_eq!(seen, [None, None, FirstWarning, SecondWarning, Capped]);
        assert_eq!(restriction.quota()["capping_status"], "CAPPED");
        assert_eq!(restriction.time_lock()["is_active"], false);
    }

    #[test]
    fn a_time_lock_ends() {
        let mut locked = Restriction { reach_out_until_s: Some(now_s() + 60), ..Restriction::default() };
        assert!(!locked.reach_out());
        assert_eq!(locked.time_lock()["is_active"], true);
        locked.reach_out_until_s = Some(now_s() - 1);
        assert!(locked.reach_out());
    }
}
