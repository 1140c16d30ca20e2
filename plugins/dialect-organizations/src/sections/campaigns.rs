//! Campaigns, which the document counts and exports without saying how they are made.

use portico_sdk::dialect::{Route, get, post};

use crate::Organizations;

pub(crate) const ROUTES: &[Route<Organizations>] = &[post("/api/campaigns"), get("/api/campaigns")];
