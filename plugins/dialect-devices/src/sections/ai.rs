//! Section "AI settings".

use portico_sdk::dialect::{Route, get, post, put};

use crate::{COMMON, Devices};

pub(crate) const ROUTES: &[Route<Devices>] = &[
    get("/api/whatsapp/devices/{deviceId}/settings/ai").limits(COMMON),
    put("/api/whatsapp/devices/{deviceId}/settings/ai").limits(COMMON),
    post("/api/whatsapp/test-ai").limits(COMMON),
    get("/api/whatsapp/ai/providers").limits(COMMON),
];
