//! What plugins do: one file per hook, and one line of [`KINDS`] for it.
//!
//! A [`HookKind`] is what the runtime knows about a hook: its limits, what happens to the work when it fails, where its export
//! is, and the call that tries it out at install. A [`HookCall`] is one call of it: the core's nouns on the way in, a checked
//! answer on the way out.

pub(crate) mod dialect;
pub(crate) mod dialect_socket;
pub(crate) mod pacing;
pub(crate) mod webhook_format;

use std::any::Any;
use std::pin::Pin;

use portico_core::ports::plugins::{Hook, PluginFailure};
use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

use crate::bindings::types::{Context, HookError};
use crate::breaker::FailureMode;
use crate::check::Probe;
use crate::guest::Guest;
use crate::limits::{HookLimits, Limits};

/// Every hook that the host calls.
pub(crate) const KINDS: [&dyn AnyKind; 4] =
    [&webhook_format::Kind, &pacing::Kind, &dialect::Kind, &dialect_socket::Kind];

/// The kind of a hook.
pub(crate) fn of(hook: Hook) -> Option<&'static dyn AnyKind> {
    KINDS.into_iter().find(|kind| kind.hook() == hook)
}

/// What the runtime knows about one hook.
pub(crate) trait HookKind: Sync + 'static {
    /// Which hook; its name is that of the interface.
    const HOOK: Hook;
    /// What happens to the work when the hook gives no usable answer.
    const ON_FAILURE: FailureMode;
    /// Whether the answer follows from the arguments alone. Such a call may import `log` only, and is made a second time when
    /// the guest ran out of CPU time on a busy machine.
    const PURE: bool;
    /// Where its functions are in a component.
    type Export: Export;
    /// The call that tries it out at install.
    type Smoke: HookCall;

    /// What one call may use.
    fn limits(limits: &Limits) -> HookLimits;

    /// A call that has no effect, for the check at install; `None` where every call might have one.
    fn smoke() -> Option<Self::Smoke>;
}

/// The functions of an exported interface, as the bindings find them.
pub(crate) trait Export: Sized + Send + Sync + 'static {
    /// The functions of one instance.
    type Loaded: Send + Sync;

    /// Finds the interface in a component.
    fn find(pre: &InstancePre<Guest>) -> wasmtime::Result<Self>;

    /// Loads its functions from an instance. Fails when they have another shape than the host's.
    fn load(&self, store: &mut Store<Guest>, instance: &Instance) -> wasmtime::Result<Self::Loaded>;
}

/// What a guest returned: an answer, or an error of its own.
pub(crate) type GuestResult<T> = Result<T, HookError>;

/// One call of a hook, with its input.
pub(crate) trait HookCall: Send + Sync {
    /// Which hook.
    type Kind: HookKind;
    /// What the guest returns.
    type Raw: Send;
    /// The checked answer.
    type Answer: Send;

    /// Calls the guest.
    fn run(
        &self,
        hook: &<<Self::Kind as HookKind>::Export as Export>::Loaded,
        store: &mut Store<Guest>,
        context: &Context,
    ) -> impl Future<Output = wasmtime::Result<GuestResult<Self::Raw>>> + Send;

    /// Checks the answer; the error says which rule it breaks.
    fn check(&self, raw: Self::Raw) -> Result<Self::Answer, String>;
}

/// An export of any kind.
pub(crate) type AnyExport = Box<dyn Any + Send + Sync>;

/// What a probe comes to.
pub(crate) type Probed<'a> = Pin<Box<dyn Future<Output = Result<(), PluginFailure>> + Send + 'a>>;

/// A [`HookKind`] without its types, for lists. Implemented for all of them.
pub(crate) trait AnyKind: Sync {
    /// Which hook.
    fn hook(&self) -> Hook;

    /// What happens to the work when the hook fails.
    fn on_failure(&self) -> FailureMode;

    /// What one call may use.
    fn limits(&self, limits: &Limits) -> HookLimits;

    /// Finds its export in a component.
    fn find(&self, pre: &InstancePre<Guest>) -> wasmtime::Result<AnyExport>;

    /// Loads the export from an instance, to see whether it has the host's shape.
    fn load(&self, export: &AnyExport, store: &mut Store<Guest>, instance: &Instance) -> wasmtime::Result<()>;

    /// Makes the call that tries the hook out, where there is one without effects.
    fn smoke<'a>(&'a self, probe: Probe<'a>) -> Probed<'a>;
}

impl<K: HookKind> AnyKind for K {
    fn hook(&self) -> Hook {
        K::HOOK
    }

    fn on_failure(&self) -> FailureMode {
        K::ON_FAILURE
    }

    fn limits(&self, limits: &Limits) -> HookLimits {
        K::limits(limits)
    }

    fn find(&self, pre: &InstancePre<Guest>) -> wasmtime::Result<AnyExport> {
        Ok(Box::new(K::Export::find(pre)?))
    }

    fn load(&self, export: &AnyExport, store: &mut Store<Guest>, instance: &Instance) -> wasmtime::Result<()> {
        typed::<K>(export)?.load(store, instance).map(drop)
    }

    fn smoke<'a>(&'a self, probe: Probe<'a>) -> Probed<'a> {
        Box::pin(async move {
            match K::smoke() {
                Some(call) => probe.make(&call).await,
                None => Ok(()),
            }
        })
    }
}

/// An export as its kind knows it.
pub(crate) fn typed<K: HookKind>(export: &AnyExport) -> wasmtime::Result<&K::Export> {
    export.downcast_ref().ok_or_else(|| wasmtime::format_err!("the export belongs to another hook"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hook_of_the_core_has_its_kind() {
        for hook in Hook::ALL {
            assert!(of(hook).is_some(), "{hook:?}");
        }
        assert_eq!(KINDS.len(), Hook::ALL.len());
    }
}
