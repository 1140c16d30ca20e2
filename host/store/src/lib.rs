//! Rows on SQLite and Postgres: the implementation of the core's ports `Store` and `KeyRecords`.
//!
//! One SQL text serves both databases; where they must differ, both texts stand together in the file of their noun. No rule
//! lives here: what a state means, who may do what, who is told of an event and when something is tried again is for the core.
//! Nothing runs while nobody asks: the one timer is that of [`Db::watch`], as long as it is awaited. Invariant: this is the
//! only crate that knows `sqlx` and `rusqlite`, and every statement it can send is in `statement::all()`.
//!
//! # Row locks
//!
//! SQLite has one writer at a time, so nothing needs a lock. On Postgres a writing transaction takes its row locks in this
//! order: counters, device, messages, tenant, subscriptions, deliveries. Transactions that keep to it never wait for each other in a
//! circle.

#[macro_use]
mod statement;
#[macro_use]
mod table;

mod access;
mod analytics;
mod audit;
mod bind;
mod cache;
mod config;
mod conn;
mod db;
mod device;
mod error;
mod event;
mod key_record;
mod lock;
mod media;
mod message;
mod migrate;
mod outbox;
mod plugin;
mod row;
mod user;
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
pub use db::{Db, Integrity, Look, Sealed};
pub use error::{LockLost, OpenError};
pub use lock::LOCK_FILE;
