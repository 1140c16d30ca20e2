//! The nouns: what there is, in which states, and the rules that need nothing but their values.

pub mod access;
pub mod analytics;
pub mod audit;
pub mod contact;
pub mod device;
pub mod event;
pub mod group;
pub mod media;
pub mod message;
mod name;
pub mod number;
pub mod plugin;
pub mod webhook;

pub(crate) use name::checked_name;
