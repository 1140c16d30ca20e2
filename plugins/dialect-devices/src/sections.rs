//! The sections of the document, each with its rows.

mod admin;
mod ai;
mod chats;
mod contacts;
pub(crate) mod devices;
mod files;
mod messages;
mod pages;
mod server;
mod templates;
mod warmer;
mod webhooks;

use portico_sdk::dialect::Route;

use crate::Devices;

/// Every endpoint of the document, by section.
pub(crate) const ALL: &[&[Route<Devices>]] = &[
    server::ROUTES,
    devices::ROUTES,
    messages::ROUTES,
    files::ROUTES,
    contacts::ROUTES,
    ai::ROUTES,
    chats::ROUTES,
    webhooks::ROUTES,
    templates::ROUTES,
    warmer::ROUTES,
    admin::ROUTES,
    pages::ROUTES,
];
