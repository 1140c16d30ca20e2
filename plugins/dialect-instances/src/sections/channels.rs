//! Section "Channels".

use portico_sdk::dialect::{Route, get, post};

use crate::{COMMON, Instances};

pub(crate) const ROUTES: &[Route<Instances>] = &[
    get("/api/channels/{instanceId}").limits(COMMON),
    post("/api/channels/{instanceId}/{channelId}/follow").limits(COMMON),
    post("/api/channels/{instanceId}/{channelId}/unfollow").limits(COMMON),
    post("/api/channels/{instanceId}/{channelId}/mute").limits(COMMON),
    post("/api/channels/{instanceId}/{channelId}/unmute").limits(COMMON),
];
