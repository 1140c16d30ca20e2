//! The nouns, rules, errors and ports of the gateway.
//!
//! Operations are free functions that take an [`OpContext`] first; the world is reached through the traits in [`ports`]. Invariant:
//! this crate depends on no I/O crate, and nothing here knows HTTP, SQL, WhatsApp's wire format or WebAssembly.

#[macro_use]
mod view;

pub mod access;
pub mod address;
pub mod contact;
pub mod context;
pub mod device;
pub mod directory;
pub mod error;
pub mod event;
pub mod group;
pub mod header;
pub mod id;
pub mod intake;
pub mod limits;
pub mod live;
pub mod media;
pub mod member;
pub mod message;
pub mod model;
pub mod page;
pub mod plugin;
pub mod ports;
pub mod rng;
pub mod seal;
pub mod setting;
#[cfg(feature = "testing")]
pub mod testing;
pub mod throttle;
pub mod time;
pub mod webhook;

pub use access::authorize::Action;
pub use context::{OpContext, Ports, Services};
pub use error::{Error, Result};
