//! Section "Contacts".

use portico_sdk::dialect::{Route, get, post, put};

use crate::{COMMON, Instances};

pub(crate) const ROUTES: &[Route<Instances>] = &[
    get("/api/contacts/{instanceId}/all").limits(COMMON),
    get("/api/contacts/{instanceId}").limits(COMMON),
    get("/api/contacts/{instanceId}/check-exists").limits(COMMON),
    get("/api/contacts/{instanceId}/about").limits(COMMON),
    post("/api/contacts/{instanceId}/block").limits(COMMON),
    post("/api/contacts/{instanceId}/unblock").limits(COMMON),
    put("/api/contacts/{instanceId}/{chatId}").limits(COMMON),
    get("/api/contacts/{instanceId}/lids").limits(COMMON),
    get("/api/contacts/{instanceId}/lids/count").limits(COMMON),
    get("/api/contacts/{instanceId}/lids/{lid}").limits(COMMON),
    get("/api/contacts/{instanceId}/lids/pn/{phoneNumber}").limits(COMMON),
];
