//! Section "Testing tools": pages.

use portico_sdk::dialect::{Route, get};

use crate::Devices;

pub(crate) const ROUTES: &[Route<Devices>] = &[
    get("/api-docs.html").public().page(),
    get("/test/").public().page(),
    get("/test/comprehensive-testing.html").public().page(),
];
