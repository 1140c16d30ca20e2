//! The sections of the document, each with its rows.

mod ai;
mod contacts;
mod devices;
mod history;
mod messages;
mod monitoring;
mod sessions;
mod webhooks;

use portico_sdk::dialect::Route;

use crate::Classic;

/// Every endpoint of the document, by section.
pub(crate) const ALL: &[&[Route<Classic>]] = &[
    devices::ROUTES,
    messages::ROUTES,
    contacts::ROUTES,
    ai::ROUTES,
    webhooks::ROUTES,
    sessions::ROUTES,
    history::ROUTES,
    monitoring::ROUTES,
];
