//! The one place where the adapters meet: a configuration becomes a running gateway.
//!
//! Two parts need each other twice. Sessions hand facts to the core's inbox, and the core's operations use sessions: the inbox
//! therefore needs `Ports` only, which has no sessions. Plugins call the REST API, which is built on the plugins: they get it
//! last, by `set_rest`.

mod settings;
mod world;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use portico_core::access::bootstrap::{PresetKeys, first_keys};
use portico_core::access::secret::KeySecret;
use portico_core::context::MonotonicUlid;
use portico_core::context::outcome::Outcomes;
use portico_core::context::queue_length::QueueLengths;
use portico_core::intake::Intake;
use portico_core::live::LiveEvents;
use portico_core::plugin::kv::Kv;
use portico_core::plugin::start;
use portico_core::ports::Blobs;
use portico_core::throttle::Throttle;
use portico_core::{Ports, Services};
use portico_http::{Live, Part, PartStatus, ServeLimits};
use portico_jobs::{JobState, JobStatus, Jobs, LocalWaker};
use portico_media::LocalBlobs;
use portico_runtime::{Compiler, Runtime, RuntimeConfig, Source};
use portico_store::{Db, LockLost};
use portico_whatsapp::{WhatsAppConfig, WhatsAppSessions};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::bundle;
use crate::config::{Config, MasterKey, Secrets};
use crate::machine::{BlockingThreads, Machine};
use settings::{http_config, limits, net_config};
use world::World;

/// How long transactions that are under way may take when the gateway stops at once.
const ABANDON_TIMEOUT: Duration = Duration::from_secs(3);

/// A running gateway.
pub struct Running {
    /// Where the REST API listens.
    pub http: SocketAddr,
    /// Where the second listener for event streams is.
    pub ws: Option<SocketAddr>,
    /// The generated admin key, on the very first start.
    pub first_key: Option<KeySecret>,
    #[cfg(feature = "sandbox")]
    sandbox: Option<portico_sandbox::Sandbox>,
    services: Arc<Services>,
    db: Db,
    jobs: Arc<Jobs>,
    servers: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
    grace: Duration,
}

impl Running {
    /// Starts everything on this machine. When it returns, the API answers and sessions are being restored.
    pub async fn start(config: Config, secrets: Secrets, machine: Machine) -> Result<Self> {
        if !cfg!(feature = "sandbox") && !portico_whatsapp::forged_chain_is_refused() {
            bail!("this binary accepts a forged WhatsApp certificate chain; it was built wrongly and must not be used");
        }
        portico_http::install_metrics();
        let listeners = Listeners::bind(&config).await?;
        let db = Db::open(&config.storage.to_store_config()).await.context("the database can't be opened")?;
        keep_master_key(&secrets.master_key, &db).await?;
        let Machine { clock, rng } = machine;
        let waker = Arc::new(LocalWaker::new());
        let ports = Arc::new(Ports {
            store: Arc::new(db.clone()),
            clock: Arc::clone(&clock),
            rng: Arc::clone(&rng),
            waker: Arc::clone(&waker) as _,
            compute: Arc::new(BlockingThreads::new(config.server.password_hashes)),
            throttle: Throttle::default(),
            sealer: secrets.master_key.sealer(),
            limits: limits(&config),
            ulids: MonotonicUlid::default(),
            queue_lengths: QueueLengths::default(),
            directory: Arc::default(),
            outcomes: Outcomes::default(),
            live: LiveEvents::default(),
        });
        refuse_strangers(&ports, &config, &secrets.preset).await?;
        portico_core::device::session::after_start(&ports).await.context("looking at the devices of before")?;
        portico_core::webhook::start::seal_unsealed(&ports).await.context("sealing the headers of webhooks")?;
        portico_core::webhook::start::release_claims(&ports).await.context("looking at the deliveries of before")?;

        let plugins = runtime(Some((&config, &ports)), bundle::sources(config.plugins.dir.as_deref())?).await?;
        let packages = plugins.packages();
        for lost in start::take_in(&ports, &*plugins, packages).await.context("taking in the plugins")? {
            let start::Unloadable { plugin, digest, why } = lost;
            let error = &why as &dyn std::error::Error;
            tracing::error!(
                plugin.id = plugin,
                plugin.digest = digest,
                error,
                "the current version of a plugin can't be loaded"
            );
        }
        let world = World::start(&config).await?;
        let (blobs, staging) = files(&config.storage.data)?;
        let sessions = WhatsAppSessions::new(
            WhatsAppConfig { network: world.network.clone(), staging, ..config.whatsapp.clone() },
            Arc::new(db.clone()),
            ports.sealer.clone(),
            Arc::new(Intake(Arc::clone(&ports))),
            Arc::clone(&clock),
            Arc::clone(&blobs),
        )?;
        let outbound = portico_net::Client::new(net_config(&config), Arc::clone(&clock))
            .context("the outbound client can't be made")?;
        // Comes after everything that can fail: a key that is stored but never printed would lock the operator out.
        let first_key = first_keys(&ports, &secrets.preset).await.context("making the first keys")?;
        let services = Arc::new(Services {
            ports,
            sessions: Arc::new(sessions),
            plugins: Arc::clone(&plugins) as _,
            outbound: Arc::new(outbound),
            blobs,
        });

        let (stop, stopping) = watch::channel(false);
        let jobs = Arc::new(Jobs::start(Arc::clone(&services), Arc::clone(&waker), config.jobs.clone()));
        let live = Live { events: waker.events(), stopping: stopping.clone(), parts: parts(&jobs) };
        let api = portico_http::api(Arc::clone(&services), http_config(&config), live);
        plugins.set_rest(api.rest());
        let limits = config.server.listener.clone();
        let grace = limits.grace;
        let (http, ws) =
            (listeners.http.local_addr()?, listeners.ws.as_ref().map(TcpListener::local_addr).transpose()?);
        let mut servers = vec![serve(listeners.http, api.router(), stopping.clone(), limits.clone())];
        servers.extend(listeners.ws.map(|l| serve(l, api.ws_router(), stopping.clone(), limits)));
        servers.push(tokio::spawn(metrics_upkeep(stopping)));
        Ok(Self {
            http,
            ws,
            first_key,
            #[cfg(feature = "sandbox")]
            sandbox: world.sandbox,
            services,
            db,
            jobs,
            servers,
            stop,
            grace,
        })
    }

    /// The sandbox network inside, if there is one.
    #[cfg(feature = "sandbox")]
    pub fn sandbox(&self) -> Option<&portico_sandbox::Sandbox> {
        self.sandbox.as_ref()
    }

    /// Where the admin API of the sandbox inside listens.
    pub fn sandbox_admin(&self) -> Option<SocketAddr> {
        #[cfg(feature = "sandbox")]
        return self.sandbox.as_ref().map(portico_sandbox::Sandbox::admin_addr);
        #[cfg(not(feature = "sandbox"))]
        None
    }

    /// Everything the gateway is made of, for tests.
    pub fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// Watches that no other gateway can run on the database, and ends when one can: then call [`Self::abandon`].
    pub async fn lost(&self) -> LockLost {
        self.db.watch().await
    }

    /// Stops at once, because another gateway may run on the database by now: no transaction begins any more, and no request,
    /// job or session is waited for. What was under way is as after a crash: who runs on the database next takes it up.
    pub async fn abandon(self) {
        // An error means that all receivers are gone, which is fine here.
        let _ = self.stop.send(true);
        // Transactions that are under way can't be stopped; they end soon, or with the process.
        if timeout(ABANDON_TIMEOUT, self.db.close()).await.is_err() {
            tracing::warn!("the database's connections did not end in time");
        }
        for server in &self.servers {
            server.abort();
        }
        self.jobs.shutdown(Duration::ZERO).await;
        #[cfg(feature = "sandbox")]
        if let Some(sandbox) = self.sandbox {
            sandbox.shutdown().await;
        }
    }

    /// Stops in order: no new requests, jobs finish what they hold, sessions close, the database closes.
    pub async fn shutdown(self) {
        // An error means that all receivers are gone, which is fine here.
        let _ = self.stop.send(true);
        for server in self.servers {
            if let Err(error) = server.await {
                tracing::error!(%error, "a listener did not end well");
            }
        }
        self.jobs.shutdown(self.grace).await;
        if let Err(error) = close_sessions(&self.services).await {
            tracing::error!(error = &error as &dyn std::error::Error, "not every session ended well");
        }
        #[cfg(feature = "sandbox")]
        if let Some(sandbox) = self.sandbox {
            sandbox.shutdown().await;
        }
        self.db.close().await;
    }
}

/// Both listeners. They are bound before anything else, so that a port in use fails the start before it changes anything.
struct Listeners {
    http: TcpListener,
    ws: Option<TcpListener>,
}

impl Listeners {
    async fn bind(config: &Config) -> Result<Self> {
        let http = bind(config.server.bind, "--bind").await?;
        let ws = match config.server.ws_address() {
            Some(address) if config.server.ws_bind.is_some() => Some(bind(address, "--ws-bind").await?),
            // Nobody asked for it in so many words, and the first listener serves all of it too.
            Some(address) => bind(address, "--ws-bind")
                .await
                .inspect_err(|error| tracing::warn!(%error, "there is no second listener for sockets of dialects"))
                .ok(),
            None => None,
        };
        Ok(Self { http, ws })
    }
}

async fn bind(address: SocketAddr, flag: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|e| match e.kind() {
        std::io::ErrorKind::AddrInUse => {
            anyhow::anyhow!(
                "{address} is in use: another program (or another Portico) listens there; choose another with {flag}"
            )
        }
        _ => anyhow::Error::new(e).context(format!("{address} can't be listened on; choose another with {flag}")),
    })
}

/// The files, and the folder where they are encrypted and decrypted. What lies there has no name and goes with the process.
fn files(data: &Path) -> Result<(Arc<dyn Blobs>, PathBuf)> {
    let folder = data.join("media");
    let blobs = LocalBlobs::open(&folder).context("the files can't be opened")?;
    let staging = folder.join("staging");
    std::fs::create_dir_all(&staging).with_context(|| format!("{} can't be made", staging.display()))?;
    Ok((Arc::new(blobs), staging))
}

/// Refuses a master key that is not the database's, and writes a fresh one down where nothing is sealed yet.
async fn keep_master_key(key: &MasterKey, db: &Db) -> Result<()> {
    if let Some(sealed) = db.sealed().await? {
        key.opens(&sealed.place, &sealed.value)?;
    }
    key.keep()
}

/// Until a key exists, nobody but this machine may reach the API.
async fn refuse_strangers(ports: &Ports, config: &Config, preset: &PresetKeys) -> Result<()> {
    let open: Vec<_> = [Some(config.server.bind), config.server.ws_address()]
        .into_iter()
        .flatten()
        .filter(|address| !address.ip().is_loopback())
        .collect();
    let Some(address) = open.first() else { return Ok(()) };
    let now = ports.now();
    if !preset.is_empty() || ports.read(move |tx| tx.key_any(now)).await? {
        return Ok(());
    }
    bail!(
        "{address} can be reached from other machines, but there is no key yet: start once on loopback (the default) to get one, \
         or set PORTICO_ADMIN_TOKEN"
    );
}

/// The plugins, loaded. Within a gateway their compiled forms are kept in the data folder and made by a child process.
pub(crate) async fn runtime(within: Option<(&Config, &Arc<Ports>)>, sources: Vec<Source>) -> Result<Arc<Runtime>> {
    if sources.is_empty() {
        tracing::warn!(
            "no plugins are built in: webhooks go out in the default format, and no dialect is served; build with `make build`"
        );
    }
    let Machine { clock, rng } = Machine::default();
    let mut settings = RuntimeConfig::new(clock, rng);
    if let Some((config, ports)) = within {
        settings.clock = Arc::clone(&ports.clock);
        settings.rng = Arc::clone(&ports.rng);
        settings.directory = Arc::clone(&ports.directory);
        settings.kv = Some(Arc::new(Kv(Arc::clone(ports))));
        settings.limits = config.plugins.limits.clone();
        settings.base_url = config.server.base_url();
        settings.cache_dir = Some(config.storage.data.clone());
        settings.compiled_dir.clone_from(&config.plugins.compiled);
        settings.compiler = compiler()?;
    }
    Runtime::start(settings, sources).await.context("a plugin can't be loaded")
}

/// Compiles in a child of this program; where this program is another one (a test), in-process.
fn compiler() -> Result<Compiler> {
    let program = std::env::current_exe().context("this program's own path")?;
    if program.file_name().is_some_and(|name| name == "portico") {
        return Ok(Compiler::Child { program, args: vec!["plugin-compile".into()] });
    }
    Ok(Compiler::InProcess)
}

fn parts(jobs: &Arc<Jobs>) -> Arc<dyn Fn() -> Vec<Part> + Send + Sync> {
    let jobs = Arc::clone(jobs);
    Arc::new(move || {
        let slots = jobs.delivery_slots();
        let part = |job: JobStatus| {
            let failing = job.state == JobState::Failing;
            let exhausted = job.name == "deliver" && slots.free == 0;
            let detail = match job.name {
                _ if failing => Some("its last run failed; the log has the reason".to_owned()),
                "deliver" if exhausted => Some(format!("all {} delivery slots are taken", slots.max)),
                "deliver" if slots.webhooks_waiting > 0 => {
                    Some(format!("{} webhooks have as many delivery slots as they may", slots.webhooks_waiting))
                }
                _ => None,
            };
            let status = if failing || exhausted { PartStatus::Degraded } else { PartStatus::Ok };
            Part { name: job.name.to_owned(), status, detail }
        };
        jobs.status().into_iter().map(part).collect()
    })
}

fn serve(
    listener: TcpListener,
    router: portico_http::Router,
    stopping: watch::Receiver<bool>,
    limits: ServeLimits,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut stopping = stopping;
        let stop = async move {
            // An error means that the sender is gone, and with it the gateway.
            let _ = stopping.wait_for(|stop| *stop).await;
        };
        if let Err(error) = portico_http::serve(listener, router, limits, stop).await {
            tracing::error!(%error, "a listener failed");
        }
    })
}

/// Keeps the memory of the figures small until the gateway stops.
async fn metrics_upkeep(mut stopping: watch::Receiver<bool>) {
    tokio::select! {
        () = portico_http::metrics_upkeep() => {}
        // An error means that the sender is gone, and with it the gateway.
        _ = stopping.wait_for(|stop| *stop) => {}
    }
}

/// Ends every session, some at a time.
async fn close_sessions(services: &Services) -> portico_core::Result<()> {
    const AT_ONCE: u32 = 64;
    let mut after = None;
    loop {
        let devices = services.ports.read(move |tx| tx.device_wanted(after.as_ref(), AT_ONCE)).await?;
        let Some(last) = devices.last() else { return Ok(()) };
        after = Some(last.id.clone());
        let closing = devices.iter().map(|device| services.sessions.close(&device.id));
        for closed in futures_util::future::join_all(closing).await {
            closed?;
        }
    }
}
