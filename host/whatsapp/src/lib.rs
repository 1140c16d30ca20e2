//! Sessions with WhatsApp: [`WhatsAppSessions`] implements the core's port `WhatsApp` over the protocol library.
//!
//! For: connecting, pairing, sending, resolving, and reporting facts to the core's `Inbox`. Left to others: every rule
//! (core), where keys are kept (the store, behind `KeyRecords`), when a session should run (jobs).
//!
//! Invariants: no other crate names the protocol library. WhatsApp gets its acknowledgement of a message only after the
//! inbox made the message durable. Nothing leaves this crate for the store unsealed. With the feature `sandbox` nothing
//! but loopback is ever dialed.

mod ask;
mod backend;
mod config;
mod contacts;
mod device_lock;
mod dial;
mod events;
mod failure;
mod files;
mod groups;
mod pairing;
mod receipts;
mod resolve;
mod send;
mod session;
mod sessions;
mod trust;

#[cfg(all(test, feature = "sandbox"))]
mod end_to_end;
#[cfg(test)]
mod memory;

pub use config::{Network, PRE_KEYS_DEFAULT, SANDBOX_MEDIA_HOST, WhatsAppConfig, WhatsAppLimits};
pub use sessions::WhatsAppSessions;
pub use trust::forged_chain_is_refused;
