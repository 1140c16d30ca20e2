//! Section "Chat settings": AI per chat.

use portico_sdk::dialect::{Route, delete, get, post, put};

use crate::{COMMON, Devices};

pub(crate) const ROUTES: &[Route<Devices>] = &[
    get("/api/whatsapp/devices/{deviceId}/chat-settings").limits(COMMON),
    get("/api/whatsapp/devices/{deviceId}/chat-settings/{phoneNumber}").limits(COMMON),
    put("/api/whatsapp/devices/{deviceId}/chat-settings/{phoneNumber}").limits(COMMON),
    get("/api/whatsapp/devices/{deviceId}/chat-settings/{phoneNumber}/conversation").limits(COMMON),
    get("/api/whatsapp/devices/{deviceId}/chat-settings/{phoneNumber}/stats").limits(COMMON),
    delete("/api/whatsapp/{deviceId}/{jid}/memory").limits(COMMON),
    post("/api/whatsapp/devices/{deviceId}/chat-settings/bulk-update").limits(COMMON),
];
