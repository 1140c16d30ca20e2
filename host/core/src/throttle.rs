//! Throttling of attempts: logins, sign-ups, and keys that come in bodies or paths.
//!
//! An attempt counts when it begins, so that many at once get no further than one after the other; one that succeeds is
//! pardoned. Counts are kept in memory: a restart forgets them, which an attacker can't bring about.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::time::UtcMs;

/// Subjects whose attempts are remembered at once. When there are more, the ones that began first are forgotten.
const SUBJECTS_MAX: usize = 10_000;

/// Whose attempts are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// Failures from one address, or its network. `None`, where none is known, is never refused.
    Address(Option<IpAddr>),
    /// Failures on one account, whether there is such an account or not. The hash of what was given for it.
    Account([u8; 32]),
    /// Sign-ups from one address.
    SignUp(Option<IpAddr>),
}

impl Subject {
    /// Failures on the account with this mobile number or e-mail address.
    pub(crate) fn account(text: &str) -> Self {
        Self::Account(Sha256::digest(text.as_bytes()).into())
    }

    fn limit(&self, limits: &Limits) -> u32 {
        match self {
            Self::Address(None) | Self::SignUp(None) => u32::MAX,
            Self::Address(Some(_)) => limits.login_failures_per_address,
            Self::Account(_) => limits.login_failures_per_account,
            Self::SignUp(Some(_)) => limits.sign_ups_per_address,
        }
    }
}

#[derive(Debug)]
struct Window {
    began: UtcMs,
    attempts: u32,
}

type Windows = HashMap<Subject, Window>;

/// Counts of attempts. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct Throttle(Arc<Mutex<Windows>>);

/// An attempt that was counted.
#[must_use]
pub(crate) struct Attempt {
    throttle: Throttle,
    subjects: Vec<Subject>,
}

impl Throttle {
    /// Counts one more attempt of each of the subjects, or refuses it for all of them.
    ///
    /// # Errors
    /// [`Error::Busy`] until the window of the subject with too many attempts ends.
    pub(crate) fn attempt(
        &self,
        limits: &Limits,
        now: UtcMs,
        subjects: impl IntoIterator<Item = Subject>,
    ) -> Result<Attempt> {
        let subjects: Vec<Subject> = subjects.into_iter().filter(|subject| subject.limit(limits) < u32::MAX).collect();
        let mut windows = self.lock();
        windows.retain(|_, window| now.since(window.began) < limits.login_window && window.attempts > 0);
        for subject in &subjects {
            let Some(window) = windows.get(subject).filter(|window| window.attempts >= subject.limit(limits)) else {
                continue;
            };
            let retry_after = limits.login_window.saturating_sub(now.since(window.began));
            let why = "too many attempts; wait for the seconds in `Retry-After`, then try again".to_owned();
            return Err(Error::Busy { why, retry_after });
        }
        for subject in &subjects {
            if windows.len() >= SUBJECTS_MAX && !windows.contains_key(subject) {
                forget_first(&mut windows);
            }
            let window = windows.entry(subject.clone()).or_insert(Window { began: now, attempts: 0 });
            window.attempts = window.attempts.saturating_add(1);
        }
        drop(windows);
        Ok(Attempt { throttle: self.clone(), subjects })
    }

    fn lock(&self) -> MutexGuard<'_, Windows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt {
    /// The attempt was no failure: it does not count.
    pub(crate) fn pardon(self) {
        let mut windows = self.throttle.lock();
        for subject in &self.subjects {
            if let Some(window) = windows.get_mut(subject) {
                window.attempts = window.attempts.saturating_sub(1);
            }
        }
    }
}

fn forget_first(windows: &mut Windows) {
    let first = windows.iter().min_by_key(|(_, window)| window.began).map(|(subject, _)| subject.clone());
    if let Some(subject) = first {
        windows.remove(&subject);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn limits() -> Limits {
        let window = Duration::from_secs(60);
        Limits {
            login_window: window,
            login_failures_per_address: 2,
            login_failures_per_account: 1,
            ..Limits::default()
        }
    }

    fn address() -> Subject {
        Subject::Address(Some([192, 0, 2, 1].into()))
    }

    #[test]
    fn failures_are_refused_until_the_window_ends() {
        let (throttle, limits) = (Throttle::default(), limits());
        for at in [0, 1_000] {
            assert!(throttle.attempt(&limits, UtcMs(at), [address()]).is_ok());
        }
        let Err(Error::Busy { retry_after, .. }) = throttle.attempt(&limits, UtcMs(20_000), [address()]).map(drop)
        else {
            panic!("one too many")
        };
        assert_eq!(retry_after, Duration::from_secs(40));
        let other = Subject::Address(Some([192, 0, 2, 2].into()));
        assert!(throttle.attempt(&limits, UtcMs(20_000), [other]).is_ok());
        assert!(throttle.attempt(&limits, UtcMs(60_000), [address()]).is_ok());
    }

    #[test]
    fn a_success_does_not_count_and_a_refusal_counts_nowhere() {
        let (throttle, limits) = (Throttle::default(), limits());
        for _ in 0..5 {
            throttle.attempt(&limits, UtcMs(0), [address(), Subject::account("ada")]).unwrap().pardon();
        }
        let _failed = throttle.attempt(&limits, UtcMs(0), [address(), Subject::account("ada")]).unwrap();
        for _ in 0..5 {
            assert!(throttle.attempt(&limits, UtcMs(0), [address(), Subject::account("ada")]).is_err());
        }
        assert!(
            throttle.attempt(&limits, UtcMs(0), [address(), Subject::account("bob")]).is_ok(),
            "the address has one left"
        );
    }

    #[test]
    fn an_unknown_address_is_not_shared_by_all() {
        let (throttle, limits) = (Throttle::default(), limits());
        for _ in 0..5 {
            assert!(throttle.attempt(&limits, UtcMs(0), [Subject::Address(None)]).is_ok());
        }
    }

    #[test]
    fn memory_is_bounded() {
        let throttle = Throttle::default();
        for n in 0..=SUBJECTS_MAX {
            let _counted = throttle.attempt(&limits(), UtcMs(0), [Subject::account(&n.to_string())]).unwrap();
        }
        assert_eq!(throttle.lock().len(), SUBJECTS_MAX);
    }
}
