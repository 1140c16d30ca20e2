//! Generated from `wit/gateway`: the types and functions that host and guest share.

wasmtime::component::bindgen!({
    path: "../../wit/gateway",
    world: "everything",
    imports: { default: async | trappable },
    exports: { default: async },
});

pub(crate) use exports::portico::plugin::{http_handler, pacing, webhook_format};
pub(crate) use portico::plugin::{assume, log, rest, types};
