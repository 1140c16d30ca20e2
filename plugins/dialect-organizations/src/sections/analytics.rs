//! Section "Analytics". The core counts no messages over time.

use portico_sdk::dialect::{Route, get};

use crate::Organizations;

pub(crate) const ROUTES: &[Route<Organizations>] = &[
    get("/api/analytics/stats"),
    get("/api/analytics/metrics"),
    get("/api/analytics/campaigns/{campaignId}/export"),
    get("/api/analytics/campaigns/{campaignId}"),
    get("/api/analytics/storage"),
];
