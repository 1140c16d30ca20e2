//! What is done with messages: sending, receiving, their progress, finding them.

pub mod file;
pub mod lookup;
pub mod progress;
pub mod receive;
pub mod send;

pub use crate::model::message::*;
