//! Starts what whole-path tests need: gateways on either database, virtual phones, webhook receivers, real processes.
//!
//! A [`TestGateway`] is the real wiring on free ports with a database and a sandbox network of its own. Everything is removed
//! when it is dropped. Nothing here asserts on behalf of a test; what can't be set up panics with the reason.

mod client;
mod database;
mod file_server;
mod gateway;
mod process;
mod receiver;
mod wait;

pub use client::{Answer, Client};
pub use database::{Database, Kind};
pub use file_server::FileServer;
pub use gateway::{PairedDevice, TestGateway};
pub use portico::Config;
pub use process::Process;
pub use receiver::{Delivered, Receiver};
pub use wait::{DEADLINE, wait_until};

/// The setting under which nobody can make a key without having one.
pub fn closed_sign_up() -> portico::config::SignUpPolicy {
    portico::config::SignUpPolicy::Closed
}

/// The setting under which requests and logins are counted.
pub fn rate_limits_on() -> portico::config::RateLimits {
    portico::config::RateLimits::On
}
