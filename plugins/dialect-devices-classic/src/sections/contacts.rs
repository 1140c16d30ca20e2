//! Section "Contacts, chats and groups".

use portico_sdk::dialect::{Route, get};

use crate::{COMMON, Classic};

pub(crate) const ROUTES: &[Route<Classic>] = &[
    get("/api/whatsapp/devices/{deviceId}/contacts").limits(COMMON),
    get("/api/whatsapp/devices/{deviceId}/chats").limits(COMMON),
    get("/api/whatsapp/devices/{deviceId}/groups").limits(COMMON),
    get("/api/whatsapp/devices/{deviceId}/contacts/live").limits(COMMON),
];
