//! An account's app state as the server keeps it: per collection, the patches from version 1 on, inline.
//!
//! Invariant: patch number `n` of a collection carries version `n`, which the server writes into it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use whatsapp_rust::buffa::{Message as _, MessageField};
use whatsapp_rust::waproto::whatsapp as wa;

/// Collections a client may name; five are known.
const COLLECTIONS_MAX: usize = 16;

/// One stored patch.
#[derive(Clone, Serialize, Deserialize)]
struct Patch(#[serde(with = "crate::bytes_text")] Vec<u8>);

/// All collections of an account.
#[derive(Default, Clone, Serialize, Deserialize)]
pub(crate) struct AppState {
    collections: BTreeMap<String, Vec<Patch>>,
}

/// Patches on their way to a client.
#[derive(Debug, Default)]
pub(crate) struct Patches {
    /// The collection's newest version.
    pub(crate) version: u64,
    pub(crate) patches: Vec<Vec<u8>>,
    /// A refusal that goes along with what is missing.
    pub(crate) error: Option<(u16, &'static str)>,
}

/// Why a patch was not taken.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It builds on an old version; here is what came since.
    Conflict(Patches),
    /// It is no patch.
    Unreadable,
    /// The collection, or the number of collections, is at its limit.
    Full,
}

fn count(patches: &[Patch]) -> u64 {
    u64::try_from(patches.len()).unwrap_or(u64::MAX)
}

impl AppState {
    /// The names of the collections there are.
    pub(crate) fn names(&self) -> Vec<String> {
        self.collections.keys().cloned().collect()
    }

    /// The patches after a version.
    pub(crate) fn after(&self, name: &str, version: u64) -> Patches {
        let all = self.collections.get(name).map(Vec::as_slice).unwrap_or_default();
        let skip = usize::try_from(version).unwrap_or(usize::MAX);
        Patches {
            version: count(all),
            patches: all.iter().skip(skip).map(|patch| patch.0.clone()).collect(),
            error: None,
        }
    }

    /// Takes a patch that builds on the newest version.
    pub(crate) fn append(
        &mut self,
        name: &str,
        base: u64,
        patch: &[u8],
        patches_max: usize,
    ) -> Result<Patches, Refused> {
        let newest = self.collections.get(name).map_or(0, |all| count(all));
        if base != newest {
            return Err(Refused::Conflict(self.after(name, base)));
        }
        let mut decoded = wa::SyncdPatch::decode_from_slice(patch).map_err(|_| Refused::Unreadable)?;
        let full = self.collections.get(name).is_some_and(|all| all.len() >= patches_max);
        if full || (newest == 0 && self.collections.len() >= COLLECTIONS_MAX) {
            return Err(Refused::Full);
        }
        let version = newest + 1;
        decoded.version = MessageField::some(wa::SyncdVersion { version: Some(version) });
        self.collections.entry(name.to_owned()).or_default().push(Patch(decoded.encode_to_vec()));
        Ok(Patches { version, ..Patches::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_count_up_and_old_bases_conflict() {
        let mut state = AppState::default();
        let patch = wa::SyncdPatch::default().encode_to_vec();
        assert!(matches!(state.append("regular", 0, &patch, 9), Ok(Patches { version: 1, .. })));
        assert!(matches!(state.append("regular", 1, &patch, 9), Ok(Patches { version: 2, .. })));
        match state.append("regular", 1, &patch, 9) {
            Err(Refused::Conflict(missing)) => assert_eq!((missing.version, missing.patches.len()), (2, 1)),
            other => panic!("expected a conflict, got {other:?}"),
        }
        assert!(matches!(state.append("regular", 2, &patch, 2), Err(Refused::Full)));
    }
}
