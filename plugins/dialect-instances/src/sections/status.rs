//! Section "Status".

use portico_sdk::dialect::{Route, get, post};

use crate::{COMMON, Instances};

pub(crate) const ROUTES: &[Route<Instances>] = &[
    post("/api/status/{instanceId}/text").limits(COMMON),
    post("/api/status/{instanceId}/image").limits(COMMON),
    post("/api/status/{instanceId}/voice").limits(COMMON),
    post("/api/status/{instanceId}/video").limits(COMMON),
    post("/api/status/{instanceId}/delete").limits(COMMON),
    get("/api/status/{instanceId}/new-message-id").limits(COMMON),
];
