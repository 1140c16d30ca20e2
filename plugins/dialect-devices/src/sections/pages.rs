//! Section "Testing tools": pages. The host takes `/test/` for `/test`.

use portico_sdk::dialect::{Route, get};

use crate::Devices;

pub(crate) const ROUTES: &[Route<Devices>] = &[
    get("/api-docs.html").public().page(),
    get("/test").public().page(),
    get("/test/comprehensive-testing.html").public().page(),
];
