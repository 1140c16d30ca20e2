//! Groups: WhatsApp is asked each time, so that what is told is right. What changes comes back as an event.

mod change;
mod invite;
mod lookup;
mod members;
pub(crate) mod news;

pub use crate::model::group::*;
pub use change::{NewGroup, Patch, create, leave, patch, picture};
pub use invite::{INVITE_LINK, accept, code, preview, renew};
pub use lookup::{get, list, requests};
pub use members::act;
