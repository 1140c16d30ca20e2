//! What is done with webhooks: subscriptions, deliveries, and what a start has to put right.

pub mod replay;
pub mod start;
pub mod subscription;
pub mod trial;

pub use crate::model::webhook::*;
