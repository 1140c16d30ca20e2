//! Runs plugins: WebAssembly components behind the plugin port of the core.
//!
//! From a file to an answer: [`load`] checks and compiles a component, the core's directory says which version is called for
//! whom and with what, `call` runs one hook of it in a fresh instance under the limits of [`limits`], `kind/` translates between
//! the core's nouns and one hook's types and checks the answers, `import/` is what a guest may ask of the host, with grants
//! checked in `services` alone. What to do when a hook gives no usable answer is left to the callers of the port. Invariants:
//! this is the only crate that knows wasmtime; whatever a guest does ends in an answer or in an outcome within its limits, and
//! never stops the host.

pub mod check;
pub mod compile;
pub mod config;
pub mod limits;
pub mod load;
pub mod manifest;
pub mod runtime;

mod bindings;
mod blobs;
mod breaker;
mod breakers;
mod cache;
mod call;
mod call_counts;
mod engine;
mod guest;
mod import;
mod inspect;
mod kind;
mod owner;
mod place;
mod plugin;
mod semaphore;
mod services;
mod validate;

pub use check::check_file;
pub use compile::compile_main;
pub use config::{Compiler, RuntimeConfig, Source};
pub use limits::{HookLimits, Limits};
pub use load::LoadError;
pub use runtime::Runtime;
