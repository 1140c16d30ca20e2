//! What is done with devices, one operation per file.

pub mod create;
pub mod lookup;
pub mod names;
pub mod session;

pub use crate::model::device::*;
