//! The gateway as a library: configuration, wiring and the command line.
//!
//! No rule lives here. [`wiring`] is the one place that joins the adapters; [`config`] the one that reads the environment;
//! the binary is a call of [`command`]. Tests start the same [`Running`] gateway in their own process.

pub mod bundle;
pub mod command;
pub mod config;
pub mod machine;
pub mod wiring;

pub use config::{Config, Overrides, Secrets};
pub use wiring::Running;
