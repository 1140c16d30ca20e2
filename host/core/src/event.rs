//! What is done with events: raising and following them.

pub mod feed;
pub mod raise;

pub use crate::model::event::*;
