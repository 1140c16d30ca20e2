//! Section "Business templates".

use portico_sdk::dialect::{Route, delete, get, put};

use crate::{COMMON, Devices};

pub(crate) const ROUTES: &[Route<Devices>] = &[
    get("/api/business-templates").limits(COMMON),
    get("/api/business-templates/types").limits(COMMON),
    get("/api/business-templates/{businessType}/{language}").limits(COMMON),
    put("/api/business-templates/{businessType}/{language}").limits(COMMON),
    delete("/api/business-templates/{businessType}/{language}").limits(COMMON),
];
