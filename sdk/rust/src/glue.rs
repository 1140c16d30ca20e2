//! Between the generated guest traits and the ones authors implement. Used by `register!` only.

use std::marker::PhantomData;

use crate::bindings::exports::portico::plugin::{http_handler, pacing, webhook_format};
use crate::bindings::portico::plugin::types::{Context, HookError};
use crate::format::WebhookFormat;
use crate::http::{Host, HttpHandler};
use crate::log;
use crate::pacing::Pacing;

/// A plugin as the generated traits want it.
pub struct Glue<T>(PhantomData<T>);

impl<T: WebhookFormat> webhook_format::Guest for Glue<T> {
    fn format(
        ctx: Context,
        to: webhook_format::Subscription,
        events: Vec<webhook_format::Event>,
    ) -> Result<Vec<webhook_format::Outcome>, HookError> {
        log::install_panic_hook();
        T::format(&ctx, &to, events)
    }
}

impl<T: Pacing> pacing::Guest for Glue<T> {
    fn decide(
        ctx: Context,
        device: pacing::DeviceState,
        queries: Vec<pacing::Query>,
    ) -> Result<Vec<pacing::Decision>, HookError> {
        log::install_panic_hook();
        T::decide(&ctx, &device, &queries)
    }
}

impl<T: HttpHandler> http_handler::Guest for Glue<T> {
    fn routes() -> Vec<http_handler::Route> {
        log::install_panic_hook();
        T::routes()
    }

    fn handle(ctx: Context, request: http_handler::Request) -> Result<http_handler::Outcome, HookError> {
        log::install_panic_hook();
        T::handle(&ctx, request, &Host)
    }

    fn refuse(ctx: Context, why: http_handler::Refusal) -> Result<http_handler::Response, HookError> {
        log::install_panic_hook();
        T::refuse(&ctx, why)
    }
}
