//! What is done with messages: sending, receiving, their progress, finding them.

pub mod again;
pub mod change;
pub mod context;
pub mod file;
mod form;
mod link;
pub mod lookup;
pub mod progress;
pub mod read;
pub mod receive;
pub mod send;
pub mod star;

pub use crate::model::message::*;
