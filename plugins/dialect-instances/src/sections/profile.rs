//! Section "Profile".

use portico_sdk::dialect::{Route, delete, get, put};

use crate::{COMMON, Instances};

pub(crate) const ROUTES: &[Route<Instances>] = &[
    get("/api/profile/{instanceId}").limits(COMMON),
    put("/api/profile/{instanceId}/name").limits(COMMON),
    put("/api/profile/{instanceId}/status").limits(COMMON),
    put("/api/profile/{instanceId}/picture").limits(COMMON),
    delete("/api/profile/{instanceId}/picture").limits(COMMON),
];
