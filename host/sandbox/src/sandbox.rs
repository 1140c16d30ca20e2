//! Starting and stopping: two loopback listeners over one [`Network`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use axum::serve::ListenerExt;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use tokio::net::TcpListener;

use crate::network::Network;
use crate::persist::Store;
use crate::phone::handle::Phone;
use crate::tls::TlsListener;
use crate::{ActiveFault, Config, Error, Fault, admin, connection, media_host};

/// A running WhatsApp network.
pub struct Sandbox {
    network: Arc<Network>,
    network_addr: SocketAddr,
    admin_addr: SocketAddr,
    media_https: Option<SocketAddr>,
    store: Option<Arc<Store>>,
}

/// What the network listener's handlers need besides the network.
#[derive(Clone)]
struct Front {
    network: Arc<Network>,
    address: SocketAddr,
}

impl Sandbox {
    /// Loads the world, opens both listeners and starts serving.
    ///
    /// # Errors
    /// [`Error::NotLoopback`], [`Error::Listen`], [`Error::Data`], [`Error::Snapshot`].
    pub async fn start(config: Config) -> Result<Self, Error> {
        config.validate()?;
        let Config { network: network_addr, admin: admin_addr, one_port, data_dir, limits, .. } = config;
        let store = data_dir.map(Store::open).transpose()?.map(Arc::new);
        let network = match &store {
            Some(store) => store.load(limits)?,
            None => Network::new(limits, crate::trust::Trust::generate()?),
        };
        network.by_push_name.store(config.phones_by_push_name, Ordering::Relaxed);
        network.all_are_contacts.store(config.all_are_contacts, Ordering::Relaxed);
        let (front, network_addr) = listen(network_addr).await?;
        let (back, admin_addr) = listen(admin_addr).await?;
        let media_https = serve_https(&network, config.media_https, config.media_host.clone()).await?;
        if let Some(name) = config.media_host.or_else(|| media_https.map(|address| address.to_string())) {
            network.media.name(name);
        }
        let mut routes = front_routes(&network, network_addr);
        if one_port {
            routes = routes.fallback_service(admin::routes(&network));
        }
        serve(&network, front, routes);
        serve(&network, back, admin::routes(&network));
        if let Some(store) = &store {
            network.tasks.spawn(Arc::clone(store).keep_saving(Arc::clone(&network)));
        }
        tracing::info!(network = %network_addr, admin = %admin_addr, "sandbox network is listening");
        Ok(Self { network, network_addr, admin_addr, media_https, store })
    }

    /// Where clients connect: `ws://127.0.0.1:PORT/ws/chat`.
    pub fn ws_url(&self) -> String {
        format!("ws://{}/ws/chat", self.network_addr)
    }

    /// Where the media host is: `http://127.0.0.1:PORT`. Clients map [`MEDIA_HOST`](crate::MEDIA_HOST) to it.
    pub fn media_base(&self) -> String {
        format!("http://{}", self.network_addr)
    }

    /// Where the media host listens with https, when it does.
    pub fn media_https_addr(&self) -> Option<SocketAddr> {
        self.media_https
    }

    /// The media host's name as clients are told it.
    pub fn media_host(&self) -> &str {
        self.network.media.host()
    }

    /// Where the admin API listens.
    pub fn admin_addr(&self) -> SocketAddr {
        self.admin_addr
    }

    /// The public key of the root that signs the server's certificates: what a client has to trust.
    pub fn root_key(&self) -> [u8; 32] {
        self.network.trust.root_public()
    }

    /// The phone with this number, created when there is none.
    ///
    /// # Errors
    /// [`Error::InvalidNumber`], [`Error::LimitReached`].
    pub fn phone(&self, number: &str) -> Result<Phone, Error> {
        let account = self.network.account(number)?;
        Ok(Phone::new(Arc::clone(&self.network), account))
    }

    /// Creates a phone, with a free number of the fictitious range 155501NNNNN when none is given.
    ///
    /// # Errors
    /// [`Error::InvalidNumber`], [`Error::PhoneExists`], [`Error::LimitReached`].
    pub fn create_phone(&self, number: Option<&str>, name: Option<&str>) -> Result<Phone, Error> {
        create_phone(&self.network, number, name)
    }

    /// All phones, by number.
    pub fn phones(&self) -> Vec<Phone> {
        let all = self.network.directory.all();
        all.into_iter().map(|account| Phone::new(Arc::clone(&self.network), account)).collect()
    }

    /// Switches a fault on; its number.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the effect cannot happen there, [`Error::LimitReached`].
    pub fn add_fault(&self, fault: Fault) -> Result<u64, Error> {
        self.network.faults.add(self.network.next(), fault)
    }

    /// Switches one fault off, or all; how many were on.
    pub fn remove_faults(&self, id: Option<u64>) -> usize {
        self.network.faults.remove(id)
    }

    /// The faults that are on.
    pub fn faults(&self) -> Vec<ActiveFault> {
        self.network.faults.all()
    }

    /// Closes every connection, stops every task and writes the last snapshot.
    pub async fn shutdown(self) {
        self.network.stop.cancel();
        for account in self.network.directory.all() {
            account.cut_all();
        }
        self.network.tasks.close();
        if tokio::time::timeout(self.network.limits.shutdown_timeout, self.network.tasks.wait()).await.is_err() {
            tracing::warn!("sandbox stops with requests still open");
        }
        if let Some(store) = &self.store {
            store.save_logged(&self.network).await;
        }
    }
}

impl Drop for Sandbox {
    /// Without [`Sandbox::shutdown`] the tasks still end; what the snapshot task had not written is lost.
    fn drop(&mut self) {
        self.network.stop.cancel();
    }
}

/// Creates a phone for the handle or the admin API.
pub(crate) fn create_phone(network: &Arc<Network>, number: Option<&str>, name: Option<&str>) -> Result<Phone, Error> {
    let account = match number {
        Some(number) => network.create_account(number, name)?,
        None => network.create_any(name)?,
    };
    Ok(Phone::new(Arc::clone(network), account))
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |source| Error::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

fn serve(network: &Arc<Network>, listener: TcpListener, routes: Router) {
    let stop = network.stop.clone();
    network.tasks.spawn(async move {
        let listener = listener.tap_io(|stream| {
            // Small stanzas must not wait for each other; a socket that refuses is only slower.
            let _ = stream.set_nodelay(true);
        });
        let serving = axum::serve(listener, routes).with_graceful_shutdown(async move { stop.cancelled().await });
        if let Err(error) = serving.await {
            tracing::error!(%error, "sandbox listener ended");
        }
    });
}

/// Serves the media host with https; where.
async fn serve_https(
    network: &Arc<Network>,
    address: Option<SocketAddr>,
    name: Option<String>,
) -> Result<Option<SocketAddr>, Error> {
    let Some(address) = address else { return Ok(None) };
    let (listener, address) = listen(address).await?;
    let name = name.map(|name| name.rsplit_once(':').map_or(name.clone(), |(host, _)| host.to_owned()));
    let names = [Some(address.ip().to_string()), Some("localhost".to_owned()), name].into_iter().flatten().collect();
    let listener = TlsListener::new(network, listener, address, names)?;
    let limit = DefaultBodyLimit::max(network.limits.body_bytes_max);
    let routes = media_host::routes().with_state(Arc::clone(network)).layer(limit);
    let stop = network.stop.clone();
    network.tasks.spawn(async move {
        let serving = axum::serve(listener, routes).with_graceful_shutdown(async move { stop.cancelled().await });
        if let Err(error) = serving.await {
            tracing::error!(%error, "sandbox https listener ended");
        }
    });
    Ok(Some(address))
}

fn front_routes(network: &Arc<Network>, address: SocketAddr) -> Router {
    let front = Front { network: Arc::clone(network), address };
    let chat = Router::new().route("/", get(describe)).route("/ws/chat", get(upgrade)).with_state(front);
    let limit = DefaultBodyLimit::max(network.limits.body_bytes_max);
    media_host::routes().with_state(Arc::clone(network)).layer(limit).merge(chat)
}

/// Says where everything is, so that one address is enough to configure a gateway.
async fn describe(State(front): State<Front>) -> Response {
    let address = front.address;
    Json(json!({
        "sandbox": "whatsapp",
        "ws_url": format!("ws://{address}/ws/chat"),
        "media_base": format!("http://{address}"),
        "media_host": front.network.media.host(),
        "root_key": BASE64_STANDARD.encode(front.network.trust.root_public()),
    }))
    .into_response()
}

async fn upgrade(State(front): State<Front>, socket: WebSocketUpgrade) -> Response {
    let network = front.network;
    let Ok(permit) = Arc::clone(&network.connections).try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "connections_max is reached").into_response();
    };
    let tracker = network.tasks.clone();
    socket.on_upgrade(move |socket| async move {
        // Tracked, so that shutdown waits until the device is detached.
        let served = tracker.track_future(connection::serve(network, socket));
        served.await;
        drop(permit);
    })
}
