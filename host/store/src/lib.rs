//! Rows on SQLite and Postgres: the implementation of the core's ports `Store` and `KeyRecords`.
//!
//! One SQL text serves both databases; what must differ stands in `flavour`. No rule lives here: what a state means, who may
//! do what and when something is tried again is for the core. Nothing runs while nobody asks: the one timer is that of
//! [`Db::watch`], as long as it is awaited.
//! Invariant: this is the only crate that knows `sqlx`, and every statement it can send is in `statement::all()`.

#[macro_use]
mod columns;
#[macro_use]
mod statement;

mod access;
mod config;
mod db;
mod device;
mod error;
mod event;
mod flavour;
mod key_record;
mod lock;
mod message;
mod migrate;
mod outbox;
mod row;
mod webhook;

#[cfg(test)]
mod contract;
#[cfg(test)]
mod parity;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod testing;

pub use config::{Location, StoreConfig, Synchronous};
pub use db::{Db, Look, Sealed};
pub use error::{LockLost, OpenError};
pub use lock::LOCK_FILE;
