//! Section "Events".

use portico_sdk::dialect::{Route, post};

use crate::{COMMON, Instances};

pub(crate) const ROUTES: &[Route<Instances>] = &[post("/api/events/{instanceId}").limits(COMMON)];
