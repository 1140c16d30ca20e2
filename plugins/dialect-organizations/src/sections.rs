//! The sections of the document, each with its rows.

mod analytics;
mod auth;
mod campaigns;
pub(crate) mod clients;
mod media;
mod messages;
mod server;
mod team;
pub(crate) mod webhooks;

use portico_sdk::dialect::Route;

use crate::Organizations;

/// Every endpoint of the document, by section.
pub(crate) const ALL: &[&[Route<Organizations>]] = &[
    auth::ROUTES,
    clients::ROUTES,
    messages::ROUTES,
    team::ROUTES,
    webhooks::ROUTES,
    analytics::ROUTES,
    media::ROUTES,
    campaigns::ROUTES,
    server::ROUTES,
];
