//! Builds the client of a session and starts it.

use std::sync::Arc;

use portico_core::error::{Error, Result};
use tokio::sync::mpsc;
use whatsapp_rust::bot::{Bot, BotHandle};
use whatsapp_rust::types::events::Subscription;
use whatsapp_rust::wacore::store::DevicePropsOverride;
use whatsapp_rust::waproto::whatsapp::device_props::PlatformType;
use whatsapp_rust::{CacheConfig, Client, TokioRuntime};

use super::Session;
use crate::backend::{Backend, SENT_TTL};
use crate::config::{Network, WhatsAppConfig};
use crate::dial::SessionDialer;
use crate::events::inbound::DurabilityHook;
use crate::events::{EventSink, SessionEvent};

/// A running client and what belongs to it.
pub(super) struct RunningClient {
    pub(super) client: Arc<Client>,
    pub(super) handle: BotHandle,
    pub(super) events: mpsc::Receiver<SessionEvent>,
    pub(super) subscription: Subscription,
    pub(super) backend: Arc<Backend>,
    pub(super) sink: Arc<EventSink>,
}

/// Builds the client over the device's storage and starts its run loop.
pub(super) async fn start(session: &Session) -> Result<RunningClient> {
    let context = &session.context;
    let backend = context.backend(&session.device);
    let (sink, events) = EventSink::new(session.device.clone(), context.limits.events_max);
    let dialer = SessionDialer { sockets: Arc::clone(&context.transports.sockets), sink: Arc::clone(&sink) };
    let backend = session.backend.get_or_init(|| backend).clone();
    let hook = DurabilityHook {
        sink: Arc::clone(&sink),
        unsaved_ratchets: Arc::clone(&session.unsaved_ratchets),
        device: session.device.clone(),
        sealer: context.sealer.clone(),
        backend: backend.clone(),
    };
    let props = DevicePropsOverride::new()
        .with_os(context.config.device_name.as_str())
        .with_platform_type(PlatformType::CHROME);
    let mut builder = Bot::builder()
        .with_backend_arc(backend.clone())
        .with_transport_factory(dialer)
        .with_http_client(context.transports.http.clone())
        .with_runtime(TokioRuntime)
        .with_device_props(props)
        .with_wanted_pre_key_count(context.config.pre_key_count)
        .with_cache_config(caches())
        .with_inbound_durability_hook(hook)
        // Chats of before the pairing are not taken over yet; the phone hears that they arrived.
        .skip_history_sync();
    if let Some(version) = version(&context.config) {
        builder = builder.with_version(version);
    }
    let bot = builder.build().await.map_err(|e| Error::unavailable("the storage of the session's keys", e))?;
    let client = bot.client();
    // Ticks without being online: as long as a linked device is available, the phone does not notify.
    client.set_force_active_delivery_receipts(true);
    let subscription = client.subscribe_handler(sink.clone());
    session.set_client(Some(Arc::clone(&client)));
    Ok(RunningClient { client, handle: bot.spawn(), events, subscription, backend, sink })
}

fn caches() -> CacheConfig {
    CacheConfig {
        sent_message_ttl_secs: SENT_TTL.as_secs(),
        seed_msg_secrets_from_history: false,
        ..CacheConfig::default()
    }
}

/// The version to claim, unless it is to be asked for.
fn version(config: &WhatsAppConfig) -> Option<(u32, u32, u32)> {
    #[cfg(feature = "sandbox")]
    const SANDBOX_VERSION: (u32, u32, u32) = (2, 3000, 1_023_000_000);
    config.version.or(match config.network {
        Network::WhatsApp => None,
        #[cfg(feature = "sandbox")]
        Network::Sandbox { .. } => Some(SANDBOX_VERSION),
    })
}
