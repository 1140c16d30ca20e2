//! Section "Media conversion".

use portico_sdk::dialect::{Route, post};

use crate::{COMMON, Instances};

pub(crate) const ROUTES: &[Route<Instances>] = &[
    post("/api/media/{instanceId}/convert/voice").limits(COMMON),
    post("/api/media/{instanceId}/convert/video").limits(COMMON),
];
