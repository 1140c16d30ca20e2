//! Section "Presence".

use portico_sdk::dialect::{Route, get, post};

use crate::{COMMON, Instances};

pub(crate) const ROUTES: &[Route<Instances>] = &[
    post("/api/presence/{instanceId}").limits(COMMON),
    get("/api/presence/{instanceId}").limits(COMMON),
    get("/api/presence/{instanceId}/{chatId}").limits(COMMON),
    post("/api/presence/{instanceId}/{chatId}/subscribe").limits(COMMON),
];
