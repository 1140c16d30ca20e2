//! The sections of the document, each with its rows.

mod auth;
mod calendar;
mod channels;
pub(crate) mod contacts;
mod groups;
pub(crate) mod instance;
mod labels;
mod media;
mod messages;
mod presence;
mod profile;
mod server;
mod status;
mod webhooks;

use portico_sdk::dialect::Route;

use crate::Instances;

/// Every endpoint of the document, by section.
pub(crate) const ALL: &[&[Route<Instances>]] = &[
    auth::ROUTES,
    instance::ROUTES,
    messages::ROUTES,
    groups::ROUTES,
    status::ROUTES,
    contacts::ROUTES,
    presence::ROUTES,
    calendar::ROUTES,
    labels::ROUTES,
    media::ROUTES,
    channels::ROUTES,
    profile::ROUTES,
    webhooks::ROUTES,
    server::ROUTES,
];
