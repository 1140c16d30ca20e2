//! Between the generated guest traits and the ones authors implement. Used by `register!` only.

use std::marker::PhantomData;

use crate::bindings::exports::portico::plugin::{dialect_socket, http_handler, pacing, webhook_format};
use crate::bindings::portico::plugin::types::{Context, HookError};
use crate::dialect::socket::{self, Socket};
use crate::format::WebhookFormat;
use crate::gateway::Gateway;
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

impl<T: Socket> dialect_socket::Guest for Glue<T> {
    fn sockets() -> Vec<dialect_socket::Endpoint> {
        log::install_panic_hook();
        socket::declared::<T>()
    }

    fn opened(ctx: Context, opening: dialect_socket::Opening) -> Result<dialect_socket::Outcome, HookError> {
        log::install_panic_hook();
        socket::outcome(T::opened(&ctx, &opening, &Gateway::new(&Host))?)
    }

    fn received(ctx: Context, state: String, message: String) -> Result<dialect_socket::Outcome, HookError> {
        log::install_panic_hook();
        socket::outcome(T::received(&ctx, socket::remembered(&state)?, &message, &Gateway::new(&Host))?)
    }

    fn frames(
        ctx: Context,
        state: String,
        events: Vec<dialect_socket::Event>,
    ) -> Result<dialect_socket::Reply, HookError> {
        log::install_panic_hook();
        socket::written(T::frames(&ctx, socket::remembered(&state)?, &events, &Gateway::new(&Host))?)
    }
}
