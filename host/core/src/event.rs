//! What is done with events: raising and following them.

pub mod feed;
pub mod figures;
pub mod raise;

pub use crate::model::event::*;
