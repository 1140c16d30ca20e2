//! Section "Labels".

use portico_sdk::dialect::{Route, delete, get, post, put};

use crate::{COMMON, Instances};

pub(crate) const ROUTES: &[Route<Instances>] = &[
    get("/api/labels/{instanceId}").limits(COMMON),
    post("/api/labels/{instanceId}").limits(COMMON),
    put("/api/labels/{instanceId}/{labelId}").limits(COMMON),
    delete("/api/labels/{instanceId}/{labelId}").limits(COMMON),
    get("/api/labels/{instanceId}/chats/{chatId}").limits(COMMON),
    put("/api/labels/{instanceId}/chats/{chatId}").limits(COMMON),
    get("/api/labels/{instanceId}/{labelId}/chats").limits(COMMON),
];
