//! Sections "Team" and "Audit logs". The core has one role and keeps no record of who did what.

use portico_sdk::dialect::{Route, get, post};

use crate::Organizations;

pub(crate) const ROUTES: &[Route<Organizations>] =
    &[post("/api/team/members"), post("/api/team/members/{userId}/clients/{clientId}"), get("/api/audit-logs")];
