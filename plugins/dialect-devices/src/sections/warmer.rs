//! Section "Warmer": campaigns that send growing volumes.

use portico_sdk::dialect::{Route, delete, get, post, put};

use crate::{COMMON, Devices};

pub(crate) const ROUTES: &[Route<Devices>] = &[
    post("/api/warmer/campaigns").limits(COMMON),
    get("/api/warmer/campaigns").limits(COMMON),
    get("/api/warmer/campaigns/{campaignId}").limits(COMMON),
    put("/api/warmer/campaigns/{campaignId}").limits(COMMON),
    post("/api/warmer/campaigns/{campaignId}/pause").limits(COMMON),
    post("/api/warmer/campaigns/{campaignId}/resume").limits(COMMON),
    post("/api/warmer/campaigns/{campaignId}/stop").limits(COMMON),
    delete("/api/warmer/campaigns/{campaignId}").limits(COMMON),
    post("/api/warmer/campaigns/{campaignId}/templates").limits(COMMON),
    get("/api/warmer/campaigns/{campaignId}/stats").limits(COMMON),
    get("/api/warmer/campaigns/{campaignId}/logs").limits(COMMON),
    get("/api/warmer/devices").limits(COMMON),
    get("/api/warmer/templates/defaults").limits(COMMON),
];
