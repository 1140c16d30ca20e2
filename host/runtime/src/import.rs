//! What guests may import: one file per capability, and one line of the list below for it. Whether a call may use one is
//! decided in `services`.

pub(crate) mod assume;
pub(crate) mod kv;
pub(crate) mod log;
pub(crate) mod rest;

use portico_core::ports::plugins::Grant;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::types;
use crate::guest::Guest;

/// An interface that guests may import.
pub(crate) trait Capability {
    /// Its name in the package `portico:plugin`.
    const INTERFACE: &'static str;
    /// What a plugin has to be granted to use it; `None` when it is free.
    const GRANT: Option<Grant>;
    /// What is kept during one call of a hook.
    type State: Default + Send;

    /// Gives its functions to guests.
    fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()>;
}

/// How often a function was called within one call of a hook.
#[derive(Default)]
pub(crate) struct Uses(u32);

impl Uses {
    /// Counts one more, unless that would be more than `max`.
    pub(crate) fn take(&mut self, max: u32) -> bool {
        let left = self.0 < max;
        self.0 += u32::from(left);
        left
    }
}

macro_rules! capabilities {
    ($($name:ident: $capability:ty),+ $(,)?) => {
        /// What the capabilities keep during one call of a hook.
        #[derive(Default)]
        pub(crate) struct CallStates {
            $(pub(crate) $name: <$capability as Capability>::State),+
        }

        /// The interfaces that plugins may import.
        const INTERFACES: &[&str] = &[$(<$capability as Capability>::INTERFACE),+];

        /// Gives guests everything there is.
        pub(crate) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
            types::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
            $(<$capability as Capability>::link(linker)?;)+
            Ok(())
        }

        /// The grant that an interface of `portico:plugin` needs; `None` when it is free, `Err` when the host has no such interface.
        pub(crate) fn grant_for(interface: &str) -> Result<Option<Grant>, ()> {
            match interface {
                "types" => Ok(None),
                $(<$capability as Capability>::INTERFACE => Ok(<$capability as Capability>::GRANT),)+
                _ => Err(()),
            }
        }
    };
}

capabilities! {
    log: log::Log,
    rest: rest::RestCore,
    assume: assume::Assume,
    kv: kv::Kv,
}

/// The interfaces that plugins may import, for messages.
pub(crate) fn interfaces() -> String {
    INTERFACES.join(", ")
}
