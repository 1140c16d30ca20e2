//! Section "Webhooks".

use portico_sdk::dialect::{Route, delete, get, post};

use crate::{COMMON, Instances};

pub(crate) const ROUTES: &[Route<Instances>] = &[
    post("/api/webhook/test").limits(COMMON),
    get("/api/webhook/logs").limits(COMMON),
    get("/api/webhook/stats").limits(COMMON),
    post("/api/webhook/retry/{webhookId}").limits(COMMON),
    delete("/api/webhook/logs").limits(COMMON),
];
