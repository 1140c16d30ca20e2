//! Access: who may do what, and the keys that say so.

pub mod authorize;
pub mod bootstrap;
pub mod keys;

pub use crate::model::access::*;
