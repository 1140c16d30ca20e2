//! Section "Observability".

use portico_sdk::dialect::{Route, get, post};

use crate::{COMMON, Instances};

pub(crate) const ROUTES: &[Route<Instances>] = &[
    get("/api/observability/ping").public().limits(COMMON),
    get("/api/observability/health").public().limits(COMMON),
    get("/api/observability/version").limits(COMMON),
    get("/api/observability/environment").limits(COMMON),
    get("/api/observability/status").limits(COMMON),
    post("/api/observability/stop").limits(COMMON),
    post("/api/observability/restart").limits(COMMON),
];
