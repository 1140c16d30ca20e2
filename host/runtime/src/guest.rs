//! One guest's store: its limits, its clock, and the call it is made for.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::{Engine, ResourceLimiter, Store, UpdateDeadline};

use crate::bindings::types;
use crate::limits::{HookLimits, TABLE_ELEMENTS_MAX, TICK};
use crate::services::{CallInfo, HostServices};

/// What a store carries.
pub(crate) struct Guest {
    pub(crate) services: Arc<HostServices>,
    pub(crate) call: CallInfo,
    /// Bytes of all its memories, as the engine asked for them; they never shrink.
    pub(crate) memory_bytes: usize,
    memory_bytes_max: usize,
    /// It wanted more memory than it may have. What it does then (it mostly traps) follows from that.
    pub(crate) memory_refused: bool,
    ticks: u32,
    ticks_max: u32,
    /// It used up its CPU time.
    pub(crate) cpu_spent: bool,
}

/// A store for one call. Thrown away after it, whatever happened.
pub(crate) fn store(engine: &Engine, services: Arc<HostServices>, call: CallInfo, limits: &HookLimits) -> Store<Guest> {
    let guest = Guest {
        services,
        call,
        memory_bytes: 0,
        memory_bytes_max: limits.memory_bytes,
        memory_refused: false,
        ticks: 0,
        ticks_max: ticks(limits.cpu),
        cpu_spent: false,
    };
    let mut store = Store::new(engine, guest);
    store.limiter(|guest| guest);
    store.set_hostcall_fuel(limits.copy_bytes);
    store.set_epoch_deadline(1);
    // Every tick the guest steps aside for other tasks; after its budget it is ended.
    store.epoch_deadline_callback(|mut store| {
        let guest = store.data_mut();
        guest.ticks += 1;
        guest.cpu_spent = guest.ticks > guest.ticks_max;
        Ok(if guest.cpu_spent { UpdateDeadline::Interrupt } else { UpdateDeadline::Yield(1) })
    });
    store
}

fn ticks(cpu: Duration) -> u32 {
    u32::try_from(cpu.as_millis().div_ceil(TICK.as_millis())).unwrap_or(u32::MAX)
}

impl ResourceLimiter for Guest {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory_bytes.saturating_add(desired.saturating_sub(current));
        if total > self.memory_bytes_max {
            self.memory_refused = true;
            return Ok(false);
        }
        self.memory_bytes = total;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS_MAX)
    }
}

impl types::Host for Guest {}
