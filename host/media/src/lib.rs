//! Files by the hash of what they hold, in the data folder: [`LocalBlobs`] implements the core's port `Blobs`.
//!
//! For: bytes that are too many for the database and for memory. Left to others: which files there should be (core, rows), what
//! they are (core). Invariants: no other crate names `object_store`; no file is ever in memory as a whole, and nothing can be
//! read under a hash before all of it is durable.

mod blobs;
mod locks;

pub use blobs::{LocalBlobs, OpenError};
