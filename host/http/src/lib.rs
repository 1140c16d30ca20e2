//! The HTTP side of the gateway: listener, REST core, OpenAPI document, pages, event streams, and dialects.
//!
//! A handler decodes a request, calls one operation of `portico-core` and encodes what comes back; rules live there, and
//! what wiring knows of the process arrives as [`Live`]. Invariants: this is the only crate that knows axum; an error becomes
//! a status in one place (`problem.rs`); every limit is named in [`HttpConfig`] or beside its use.

mod api;
mod auth;
mod body;
mod concurrency;
mod config;
mod credentials;
mod dialect;
mod download;
mod extract;
mod instrument;
mod lift;
mod live;
mod metrics;
mod openapi;
mod pages;
mod peer;
mod problem;
mod qr;
mod quota;
mod rate_limit;
mod rest;
mod serve;
mod socket;
mod stream;
#[cfg(test)]
mod tests;
mod v1;

pub use self::metrics::{install as install_metrics, upkeep as metrics_upkeep};
pub use api::{Api, api};
pub use axum::Router;
pub use config::{CorsOrigin, DialectLimits, HttpConfig, Rate, SignUp};
pub use live::Live;
pub use openapi::openapi_json;
pub use portico_api::{Part, PartStatus};
pub use serve::{ServeLimits, serve};
