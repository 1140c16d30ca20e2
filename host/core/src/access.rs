//! Access: who may do what, the keys and logins that say so, and where tenants come from.

pub mod audit;
pub mod authorize;
pub mod bootstrap;
pub mod keys;
pub mod login;
mod password;
mod reference;
pub mod sign_up;
pub mod tenants;
mod token;
pub mod users;

pub use crate::model::access::*;
pub use reference::{Referable, resolve};
