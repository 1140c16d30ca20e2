//! The way out over HTTP: [`Client`] implements the core's `Outbound`.
//!
//! For: posting to somebody else's server without becoming a tool against the networks the gateway can reach. Left to
//! others: when to try again and what an answer means (core, jobs).
//!
//! [`ApiClient`] is for commands that ask a running gateway.
//!
//! Invariants: no other crate names `reqwest`. Every address is checked when the connection to it is made, after the name
//! was resolved, so a name that changes its mind gets nowhere. Redirects are not followed and proxies are ignored.

mod address;
mod api;
mod client;
mod config;
mod dns;
mod failure;
mod fetch;
mod retry_after;

#[cfg(test)]
mod tests;

pub use api::{ApiAnswer, ApiClient, ApiError};
pub use client::{BuildError, Client};
pub use config::NetConfig;
