//! The sections of the document, each with its rows.

mod auth;
mod listing;
pub(crate) mod media;
mod messages;
mod pairing;
mod status;
mod templates;
mod utilities;
mod webhooks;
mod whatsapp;

use portico_sdk::dialect::Route;

use crate::Accounts;

/// Every endpoint of the document, by section.
pub(crate) const ALL: &[&[Route<Accounts>]] = &[
    auth::ROUTES,
    pairing::ROUTES,
    whatsapp::ROUTES,
    messages::ROUTES,
    templates::ROUTES,
    status::ROUTES,
    webhooks::ROUTES,
    media::ROUTES,
    utilities::ROUTES,
];
