//! Section "Media": files of incoming messages.

use portico_sdk::dialect::{Route, get};

use crate::Accounts;

pub(crate) const ROUTES: &[Route<Accounts>] = &[get("/api/media/{messageId}").public(), get("/api/media-stats")];
