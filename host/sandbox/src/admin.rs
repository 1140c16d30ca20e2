//! The admin API: what a person or a script does with the phones, over HTTP and JSON.
//!
//! It mirrors [`Phone`](crate::Phone) and holds no rule of its own. It has no password: it listens on loopback only.

mod changes;
mod events;
mod faults;
mod groups;
mod input;
mod messages;
mod page;
mod phones;
mod problem;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::Json;
use axum::routing::{delete, get, post};
use serde_json::{Value, json};

use crate::network::Network;
use problem::Problem;

/// All routes.
pub(crate) fn routes(network: &Arc<Network>) -> Router {
    Router::new()
        .route("/", get(page::page))
        .route("/page", get(page::page))
        .route("/page/style.css", get(page::style))
        .route("/page/script.js", get(page::script))
        .route("/health", get(health))
        .route("/network", get(counters))
        .route("/admin/mock-phone/scan-qr", post(phones::scan_with_any))
        .route("/phones", get(phones::list).post(phones::create))
        .route("/phones/{number}", get(phones::show))
        .route("/phones/{number}/scan-qr", post(phones::scan))
        .route("/phones/{number}/enter-code", post(phones::enter_code))
        .route("/phones/{number}/devices/{device}", delete(phones::unlink))
        .route("/phones/{number}/devices/{device}/end", post(faults::end))
        .route("/phones/{number}/restriction", get(faults::restriction).put(faults::restrict))
        .route("/phones/{number}/traits", get(faults::traits).put(faults::set_traits))
        .route("/phones/{number}/groups", post(groups::create))
        .route("/phones/{number}/groups/{jid}", post(groups::change).delete(groups::leave))
        .route("/phones/{number}/join", post(groups::join))
        .route("/phones/{number}/script", get(phones::script).put(phones::follow).delete(phones::unfollow))
        .route("/groups", get(groups::list))
        .route("/groups/{jid}", get(groups::show))
        .route("/faults", get(faults::list).post(faults::add).delete(faults::clear))
        .route("/faults/{id}", delete(faults::remove))
        .route("/phones/{number}/presence", post(phones::presence))
        .route("/phones/{number}/watch", post(phones::watch))
        .route("/phones/{number}/offline", post(phones::offline))
        .route("/phones/{number}/online", post(phones::online))
        .route("/phones/{number}/inbox", get(messages::inbox))
        .route("/phones/{number}/inbox/{id}", get(messages::content))
        .route("/phones/{number}/inbox/{id}/media", get(messages::media))
        .route("/phones/{number}/app-state", get(phones::app_state).post(phones::set))
        .route("/phones/{number}/messages", post(messages::send))
        .route("/phones/{number}/reaction", post(changes::react))
        .route("/phones/{number}/edit", post(changes::edit))
        .route("/phones/{number}/revoke", post(changes::revoke))
        .route("/phones/{number}/vote", post(changes::vote))
        .route("/phones/{number}/sent", get(messages::sent))
        .route("/phones/{number}/read", post(messages::read))
        .route("/phones/{number}/typing", post(messages::typing))
        .route("/phones/{number}/events", get(events::stream))
        .fallback(|| async { Problem::not_found() })
        .method_not_allowed_fallback(|| async { Problem::method() })
        .layer(axum::middleware::from_fn(page::own_pages_only))
        .layer(DefaultBodyLimit::max(network.limits.body_bytes_max))
        .with_state(Arc::clone(network))
}

async fn health() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// Counts of the whole network.
async fn counters(State(network): State<Arc<Network>>) -> Json<Value> {
    let (mut connected, mut companions, mut queued, mut dropped, mut duplicates) = (0usize, 0usize, 0usize, 0u64, 0u64);
    let accounts = network.directory.all();
    for account in &accounts {
        account.with(|state| {
            companions += state.companions().count();
            for device in state.devices.values() {
                connected += usize::from(device.companion.is_some() && device.mailbox.is_linked());
                queued += device.mailbox.len();
                dropped += device.mailbox.dropped;
            }
        });
        duplicates += account.phone.with_log(|log| log.duplicates);
    }
    let counters = &network.counters;
    let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    Json(json!({
        "accounts": accounts.len(),
        "devices": companions,
        "connected_devices": connected,
        "connections": read(&counters.connections),
        "handshakes": {
            "full": read(&counters.handshakes_full),
            "resumed": read(&counters.handshakes_resumed),
            "fallback": read(&counters.handshakes_fallback),
        },
        "queued_stanzas": queued,
        "dropped_stanzas": dropped,
        "messages_relayed": read(&counters.messages),
        "deliveries": read(&counters.deliveries),
        "receipts": read(&counters.receipts),
        "retries": read(&counters.retries),
        "duplicates": duplicates,
        "overflows": read(&counters.overflows),
        "unknown_requests": read(&counters.unknown_requests),
    }))
}
