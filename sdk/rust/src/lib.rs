//! What a plugin is written against: one trait per hook, [`register!`], and typed wrappers over the host's imports.
//!
//! A plugin implements traits on a type of its own and names them in `register!`; everything else it writes is ordinary
//! Rust that also compiles natively, so its logic is unit-tested without WebAssembly. Building the component is left to
//! `portico-pack`, running it to the gateway. Invariant: nothing here keeps state between two calls, because the host
//! throws the instance away after each one.

pub mod bindings;
pub mod dialect;
pub mod format;
pub mod gateway;
#[doc(hidden)]
pub mod glue;
pub mod http;
pub mod kv;
pub mod log;
pub mod pacing;
pub mod time;

pub use bindings::portico::plugin::types::{ChatKind, Context, HookError, Unavailable};
pub use portico_api as api;
pub use serde_json;

impl Context {
    /// The operator's settings as a type of the plugin's own. Missing fields are the type's business (`#[serde(default)]`).
    pub fn settings<T: serde::de::DeserializeOwned>(&self) -> Result<T, HookError> {
        serde_json::from_str(&self.settings).map_err(|e| HookError::Config(format!("the settings don't fit: {e}")))
    }

    /// A context for unit tests: no tenant, no settings, 2026-01-01T00:00:00Z, a budget of one second.
    pub fn for_tests() -> Self {
        Self {
            call_id: "test".into(),
            tenant: None,
            device: None,
            now: 1_767_225_600_000,
            budget: 1_000,
            seed: (1, 2),
            settings: "{}".into(),
        }
    }
}

/// Exports a type's hooks from the component.
///
/// ```
/// use portico_sdk::pacing::{Decision, DeviceState, Pacing, Plan, Query};
/// use portico_sdk::{Context, HookError};
///
/// struct AtOnce;
///
/// impl Pacing for AtOnce {
///     fn decide(_: &Context, _: &DeviceState, queries: &[Query]) -> Result<Vec<Decision>, HookError> {
///         Ok(queries.iter().map(|_| Decision::Go(Plan { delay: 0 })).collect())
///     }
/// }
///
/// portico_sdk::register!(AtOnce: pacing);
/// # fn main() {}
/// ```
///
/// Hooks are `webhook_format`, `pacing`, `http_handler` and `dialect_socket`, and must be the ones that `plugin.toml` lists. Natively the
/// macro only checks that the traits are there.
#[macro_export]
macro_rules! register {
    ($plugin:ty: $($hook:ident),+ $(,)?) => {$(
        const _: () = {
            #[allow(dead_code, clippy::allow_attributes)] // Natively nobody calls it.
            type Exported = $crate::glue::Glue<$plugin>;
            $crate::__register_hook!($hook Exported);
        };
    )+};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __register_hook {
    (webhook_format $exported:ident) => {
        const fn has_hook<T: $crate::bindings::exports::portico::plugin::webhook_format::Guest>() {}
        const _: () = has_hook::<$exported>();
        #[cfg(target_arch = "wasm32")]
        $crate::__export_portico_plugin_webhook_format_0_1_0_cabi!($exported with_types_in $crate::bindings::exports::portico::plugin::webhook_format);
    };
    (pacing $exported:ident) => {
        const fn has_hook<T: $crate::bindings::exports::portico::plugin::pacing::Guest>() {}
        const _: () = has_hook::<$exported>();
        #[cfg(target_arch = "wasm32")]
        $crate::__export_portico_plugin_pacing_0_1_0_cabi!($exported with_types_in $crate::bindings::exports::portico::plugin::pacing);
    };
    (http_handler $exported:ident) => {
        const fn has_hook<T: $crate::bindings::exports::portico::plugin::http_handler::Guest>() {}
        const _: () = has_hook::<$exported>();
        #[cfg(target_arch = "wasm32")]
        $crate::__export_portico_plugin_http_handler_0_1_0_cabi!($exported with_types_in $crate::bindings::exports::portico::plugin::http_handler);
    };
    (dialect_socket $exported:ident) => {
        const fn has_hook<T: $crate::bindings::exports::portico::plugin::dialect_socket::Guest>() {}
        const _: () = has_hook::<$exported>();
        #[cfg(target_arch = "wasm32")]
        $crate::__export_portico_plugin_dialect_socket_0_1_0_cabi!($exported with_types_in $crate::bindings::exports::portico::plugin::dialect_socket);
    };
}
