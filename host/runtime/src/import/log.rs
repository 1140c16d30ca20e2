//! The import `log`: lines of guests in the gateway's own log, cut and counted.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use portico_core::ports::plugins::Grant;
use wasmtime::component::{HasSelf, Linker};

use super::{Capability, Uses};
use crate::bindings::log as wit;
use crate::bindings::log::Level;
use crate::guest::Guest;
use crate::limits::LOG_LINE_BYTES_MAX;
use crate::owner::Owner;
use crate::services::CallInfo;

const WINDOW: Duration = Duration::from_secs(60);

/// The capability.
pub(crate) struct Log;

impl Capability for Log {
    const INTERFACE: &'static str = "log";
    const GRANT: Option<Grant> = None;
    type State = Uses;

    fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
        wit::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)
    }
}

impl wit::Host for Guest {
    async fn write(&mut self, level: Level, message: String, fields: Vec<(String, String)>) -> wasmtime::Result<()> {
        self.services.log(&mut self.call, &Line { level, message, fields });
        Ok(())
    }
}

/// A line as the guest wrote it.
pub(crate) struct Line {
    pub(crate) level: Level,
    pub(crate) message: String,
    pub(crate) fields: Vec<(String, String)>,
}

/// Enablements whose lines are counted separately; with more of them, those that have not logged for a minute are forgotten.
const OWNERS_MAX: usize = 1_024;

/// Limits the lines that a plugin may log per minute, for each enablement.
#[derive(Default)]
pub(crate) struct LogQuotas(Mutex<HashMap<Owner, Window>>);

#[derive(Clone, Copy)]
struct Window {
    start: Instant,
    written: u32,
    dropped: u32,
}

impl LogQuotas {
    /// Writes a line unless `per_minute` are written already; says once a minute how many were dropped.
    pub(crate) fn write(&self, call: &CallInfo, line: &Line, per_minute: u32) {
        let (admitted, dropped) = self.admit(&call.owner, Instant::now(), per_minute);
        let (plugin, tenant) = (call.effective.plugin.as_str(), call.owner.name());
        if dropped > 0 {
            tracing::warn!(plugin.id = plugin, dropped, "a plugin logged more lines than it may; some were dropped");
        }
        if !admitted {
            return;
        }
        let text = line.text();
        let (hook, call_id) = (call.hook.as_str(), call.call_id.as_str());
        match line.level {
            Level::Trace => {
                tracing::trace!(plugin.id = plugin, tenant.id = tenant, plugin.hook = hook, call.id = call_id, "{text}")
            }
            Level::Debug => {
                tracing::debug!(plugin.id = plugin, tenant.id = tenant, plugin.hook = hook, call.id = call_id, "{text}")
            }
            Level::Info => {
                tracing::info!(plugin.id = plugin, tenant.id = tenant, plugin.hook = hook, call.id = call_id, "{text}")
            }
            Level::Warn => {
                tracing::warn!(plugin.id = plugin, tenant.id = tenant, plugin.hook = hook, call.id = call_id, "{text}")
            }
            Level::Error => {
                tracing::error!(plugin.id = plugin, tenant.id = tenant, plugin.hook = hook, call.id = call_id, "{text}")
            }
        }
    }

    /// Whether a line may be written, and how many were dropped in a minute that just ended.
    fn admit(&self, owner: &Owner, now: Instant, per_minute: u32) -> (bool, u32) {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = Window { start: now, written: 0, dropped: 0 };
        if guard.len() >= OWNERS_MAX && !guard.contains_key(owner) {
            guard.retain(|_, window| now.saturating_duration_since(window.start) < WINDOW);
        }
        let mut window = guard.get(owner).copied().unwrap_or(fresh);
        let mut dropped = 0;
        if now.saturating_duration_since(window.start) >= WINDOW {
            dropped = window.dropped;
            window = fresh;
        }
        let admitted = window.written < per_minute;
        if admitted {
            window.written += 1;
        } else {
            window.dropped = window.dropped.saturating_add(1);
        }
        guard.insert(owner.clone(), window);
        (admitted, dropped)
    }
}

impl Line {
    /// Message and fields in one line of at most 1 KiB. Line breaks become spaces, so that a guest can't forge lines.
    fn text(&self) -> String {
        let mut text = self.message.clone();
        for (name, value) in &self.fields {
            if text.len() > LOG_LINE_BYTES_MAX {
                break;
            }
            text.push_str(&format!(" {name}={value}"));
        }
        let text = cut(&text, LOG_LINE_BYTES_MAX);
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
    }
}

/// The first `bytes` bytes of a text, or a few less where a character would be cut apart.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use portico_core::id::TenantId;

    use super::*;

    #[test]
    fn only_so_many_lines_a_minute_are_written_and_the_rest_is_counted() {
        let quotas = LogQuotas::default();
        let (now, owner) = (Instant::now(), Owner::default());
        let admitted = (0..10).filter(|_| quotas.admit(&owner, now, 4).0).count();
        assert_eq!(admitted, 4);
        let other = Owner { tenant: Some(TenantId::new(1, 1)), device: None };
        assert_eq!(quotas.admit(&other, now, 4), (true, 0), "others have lines of their own");
        assert_eq!(quotas.admit(&owner, now + WINDOW, 4), (true, 6));
    }

    #[test]
    fn a_line_is_cut_and_stays_one_line() {
        let line = Line { level: Level::Info, message: "é\n".repeat(2_000), fields: vec![("k".into(), "v".into())] };
        let text = line.text();
        assert!(text.len() <= LOG_LINE_BYTES_MAX && !text.contains('\n'));
        let line = Line { level: Level::Info, message: "done".into(), fields: vec![("k".into(), "v".into())] };
        assert_eq!(line.text(), "done k=v");
    }
}
