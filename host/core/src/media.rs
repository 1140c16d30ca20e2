//! What is done with media: storing files, finding them, fetching those of incoming messages, removing what nobody needs.

pub mod incoming;
pub mod link;
pub mod lookup;
mod remove;
pub mod sweep;
pub mod upload;

pub use crate::model::media::*;
