//! What is done with events: raising and following them, and telling those that are stored nowhere.

pub mod feed;
pub mod figures;
pub mod raise;

pub use crate::model::event::*;
