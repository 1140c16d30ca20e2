//! Counts calls by how they ended.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use portico_core::ports::plugins::{CallCount, Hook, Outcome};

/// Plugin, hook and how it ended (`None`: well).
type Key = (String, Hook, Option<Outcome>);

/// Calls of all plugins so far. Plugins, hooks and outcomes are closed sets, so it can't grow without end.
#[derive(Default)]
pub(crate) struct Tally(Mutex<HashMap<Key, (u64, Duration)>>);

impl Tally {
    /// Counts one call; `None` ended well.
    pub(crate) fn count(&self, plugin: &str, hook: Hook, outcome: Option<Outcome>, took: Duration) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, total) = counts.entry((plugin.to_owned(), hook, outcome)).or_default();
        *count += 1;
        *total += took;
    }

    /// Everything counted so far.
    pub(crate) fn list(&self) -> Vec<CallCount> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut list: Vec<CallCount> = counts
            .iter()
            .map(|((plugin, hook, outcome), (count, total))| CallCount {
                plugin: plugin.clone(),
                hook: *hook,
                outcome: *outcome,
                count: *count,
                total: *total,
            })
            .collect();
        list.sort_by_key(|c| (c.plugin.clone(), c.hook as u8, c.outcome.map(|o| o as u8)));
        list
    }
}
