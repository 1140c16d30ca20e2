//! Section "Contacts, chats and groups".

use portico_sdk::dialect::{Route, get, post};

use crate::{COMMON, Devices};

pub(crate) const ROUTES: &[Route<Devices>] = &[
    get("/api/whatsapp/devices/{deviceId}/contacts").limits(COMMON),
    get("/api/whatsapp/devices/{deviceId}/chats").limits(COMMON),
    get("/api/whatsapp/devices/{deviceId}/groups").limits(COMMON),
    get("/api/whatsapp/users/{userId}/contacts").limits(COMMON),
    post("/api/whatsapp/devices/{deviceId}/sync").limits(COMMON),
    get("/api/whatsapp/devices/{deviceId}/contacts/baileys-store").limits(COMMON),
    get("/api/whatsapp/devices/{deviceId}/profile/{jid}").limits(COMMON),
    get("/api/whatsapp/devices/{deviceId}/presence/{jid}").limits(COMMON),
    get("/api/whatsapp/devices/{deviceId}/business/{jid}").limits(COMMON),
    get("/api/whatsapp/devices/{deviceId}/groups/{groupJid}/members").limits(COMMON),
];
