//! Section "Server".

use portico_sdk::dialect::{Route, get};

use crate::{COMMON, Devices};

pub(crate) const ROUTES: &[Route<Devices>] = &[get("/api/whatsapp/server/stats").limits(COMMON)];
