//! Section "Groups".

use portico_sdk::dialect::{Route, delete, get, post, put};

use crate::{COMMON, Instances};

pub(crate) const ROUTES: &[Route<Instances>] = &[
    get("/api/groups/{instanceId}").limits(COMMON),
    post("/api/groups/{instanceId}").limits(COMMON),
    get("/api/groups/{instanceId}/{groupId}").limits(COMMON),
    put("/api/groups/{instanceId}/{groupId}/name").limits(COMMON),
    put("/api/groups/{instanceId}/{groupId}/description").limits(COMMON),
    put("/api/groups/{instanceId}/{groupId}/subject").limits(COMMON),
    post("/api/groups/{instanceId}/{groupId}/participants").limits(COMMON),
    delete("/api/groups/{instanceId}/{groupId}/participants").limits(COMMON),
    post("/api/groups/{instanceId}/{groupId}/promote").limits(COMMON),
    post("/api/groups/{instanceId}/{groupId}/demote").limits(COMMON),
    put("/api/groups/{instanceId}/{groupId}/settings").limits(COMMON),
    post("/api/groups/{instanceId}/{groupId}/leave").limits(COMMON),
    get("/api/groups/{instanceId}/{groupId}/invite-code").limits(COMMON),
    post("/api/groups/{instanceId}/{groupId}/revoke-invite").limits(COMMON),
    post("/api/groups/{instanceId}/accept-invite").limits(COMMON),
    get("/api/groups/{instanceId}/{groupId}/participants").limits(COMMON),
    post("/api/groups/{instanceId}/{groupId}/message").limits(COMMON),
];
