//! Generated from `wit/gateway`: the types and functions that host and guest share.

wasmtime::component::bindgen!({
    path: "../../wit/gateway",
    world: "everything",
    imports: { default: async | trappable },
    exports: { default: async },
});

pub(crate) use exports::portico::plugin::{dialect_socket, http_handler, pacing, webhook_format};
pub(crate) use portico::plugin::{assume, kv, log, rest, types};

use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

use crate::guest::Guest;
use crate::kind::Export;

/// What the bindings generate for an exported interface, under one name for all of them.
macro_rules! exported {
    ($($interface:ident),+ $(,)?) => {$(
        impl Export for $interface::GuestIndices {
            type Loaded = $interface::Guest;

            fn find(pre: &InstancePre<Guest>) -> wasmtime::Result<Self> {
                Self::new(pre)
            }

            fn load(&self, store: &mut Store<Guest>, instance: &Instance) -> wasmtime::Result<Self::Loaded> {
                self.load(store, instance)
            }
        }
    )+};
}

exported!(dialect_socket, http_handler, pacing, webhook_format);
