//! What a dialect costs over the core's own API, and what one tenant's waiting costs another.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::join_all;
use portico::machine::{SystemClock, SystemRng};
use portico_harness::Client;
use portico_runtime::{Runtime, RuntimeConfig};
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::bed::Bed;
use crate::figures::{Pair, percentile};

/// Where the dialect that is measured takes a key.
const KEY_HEADER: &str = "x-api-key";
/// Devices of the long list.
const DEVICES: usize = 1_000;
/// Devices made at the same time.
const MAKE_AT_ONCE: usize = 8;
/// How often a long list is asked for.
const LISTS: usize = 30;
/// Sends of the waiting tenant, each held until its message is sent.
const WAITING_SENDS: usize = 200;
/// Requests of the waiting tenant for a QR code that does not come.
const WAITING_CODES: usize = 80;
/// How long those that wait may take to be under way.
const UNDER_WAY: Duration = Duration::from_secs(1);
/// How long they may take to be answered once the network goes on.
const ANSWERED: Duration = Duration::from_secs(60);
/// Requests under way at once while a tenant is measured.
const AT_ONCE: usize = 2;

/// A tenant with its key.
struct Tenant(Client, String);

impl Tenant {
    async fn new(bed: &Bed, name: &str) -> Self {
        let body = json!({ "name": name, "key": { "name": "bench" } });
        let key = bed.api.post("/v1/tenants", body).await.expect(201).str("/key/key");
        Self(bed.api.with_key(Some(&key)), key)
    }

    /// A request of the dialect.
    fn dialect(&self, path: &str) -> RequestBuilder {
        self.0.with_key(None).request(Method::GET, path).header(KEY_HEADER, &self.1)
    }

    async fn device(&self, name: &str) -> String {
        self.0.post("/v1/devices", json!({ "name": name })).await.expect(201).str("/id")
    }
}

/// The latencies of the two ways, in milliseconds, ascending.
struct Ways {
    core: Vec<f64>,
    dialect: Vec<f64>,
}

/// What was measured.
pub struct Dialect {
    status: Ways,
    list: Ways,
    quiet: Ways,
    beside: Ways,
    loading: Duration,
}

/// Measures the status of one device and the list of a thousand, both ways, and a tenant's requests beside one that waits.
///
/// # Errors
/// When the dialect does not answer.
pub async fn run(bed: &Bed, calls: usize) -> Result<Dialect> {
    let tenant = Tenant::new(bed, "measured").await;
    let device = tenant.device("one").await;
    let instance = first_instance(&tenant).await?;
    let (core, dialect) = (format!("/v1/devices/{device}"), format!("/api/instance/{instance}/status"));
    let status = measure(&tenant, &core, &dialect, calls).await;
    let many = Tenant::new(bed, "many").await;
    for first in (0..DEVICES).step_by(MAKE_AT_ONCE) {
        let names: Vec<String> = (first..DEVICES.min(first + MAKE_AT_ONCE)).map(|n| format!("device {n}")).collect();
        join_all(names.iter().map(|name| many.device(name))).await;
    }
    let list = measure(&many, "/v1/devices?limit=200", "/api/instance", LISTS).await;
    let (quiet, beside) = neighbours(bed, &tenant, (&core, &dialect), calls).await?;
    Ok(Dialect { status, list, quiet, beside, loading: loading().await? })
}

async fn first_instance(tenant: &Tenant) -> Result<String> {
    let answer = Client::send(tenant.dialect("/api/instance")).await.expect(200);
    let id = answer.json["data"][0]["id"].as_str().context("an instance")?;
    Ok(id.to_owned())
}

/// Asks both ways in turns, so that what else the machine does hits both alike.
async fn measure(tenant: &Tenant, core: &str, dialect: &str, calls: usize) -> Ways {
    let workers = (0..AT_ONCE).map(|_| async {
        let (mut core_ms, mut dialect_ms) = (Vec::new(), Vec::new());
        for _ in 0..calls.div_ceil(AT_ONCE) {
            core_ms.push(timed(tenant.0.request(Method::GET, core)).await);
            dialect_ms.push(timed(tenant.dialect(dialect)).await);
        }
        (core_ms, dialect_ms)
    });
    let mut ways = Ways { core: Vec::new(), dialect: Vec::new() };
    for (core, dialect) in join_all(workers).await {
        ways.core.extend(core);
        ways.dialect.extend(dialect);
    }
    ways.core.sort_by(f64::total_cmp);
    ways.dialect.sort_by(f64::total_cmp);
    ways
}

async fn timed(request: RequestBuilder) -> f64 {
    let began = Instant::now();
    Client::send(request).await.expect(200);
    began.elapsed().as_secs_f64() * 1e3
}

/// The tenant's requests alone, and beside another tenant whose sends and QR requests wait because the network stands still.
async fn neighbours(bed: &Bed, tenant: &Tenant, paths: (&str, &str), calls: usize) -> Result<(Ways, Ways)> {
    let quiet = measure(tenant, paths.0, paths.1, calls).await;
    let waiting = Tenant::new(bed, "waiting").await;
    let sender = bed.device_of(&waiting.0).await;
    let to = bed.phone().await;
    let new = waiting.device("unpaired").await;
    let all = Client::send(waiting.dialect("/api/instance")).await.expect(200);
    let instances = all.json["data"].as_array().context("instances")?;
    let unpaired = instances.iter().find(|i| i["name"] == "unpaired").and_then(|i| i["id"].as_str());
    let code = format!("/api/instance/{}/qr", unpaired.context("the new instance")?);
    bed.stall()?;
    waiting.0.act(&format!("/v1/devices/{new}/connect")).await.expect(202);
    let mut under_way = JoinSet::new();
    for n in 0..WAITING_SENDS {
        let body = json!({ "to": to, "content": { "type": "text", "text": format!("text {n}") } });
        let send = waiting.0.request(Method::POST, &format!("/v1/devices/{}/messages", sender.id));
        under_way.spawn(Client::send(send.header("Prefer", "wait=60").json(&body)));
    }
    for _ in 0..WAITING_CODES {
        under_way.spawn(Client::send(waiting.dialect(&code)));
    }
    sleep(UNDER_WAY).await;
    let beside = measure(tenant, paths.0, paths.1, calls).await;
    let still_waiting = under_way.len();
    bed.go_on()?;
    ensure!(still_waiting == WAITING_SENDS + WAITING_CODES, "{still_waiting} were under way to the end");
    timeout(ANSWERED, under_way.join_all()).await.context("those that waited were not answered")?;
    Ok((quiet, beside))
}

/// How long the runtime takes to start with all plugins compiled before.
async fn loading() -> Result<Duration> {
    let cache = tempfile::tempdir()?;
    let mut took = Duration::ZERO;
    // The first start compiles.
    for _ in 0..2 {
        let config = RuntimeConfig {
            cache_dir: Some(cache.path().to_owned()),
            ..RuntimeConfig::new(Arc::new(SystemClock), Arc::new(SystemRng))
        };
        let began = Instant::now();
        let _runtime = Runtime::start(config, portico::bundle::sources(None)?).await?;
        took = began.elapsed();
    }
    Ok(took)
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |ways: &Ways, p| (percentile(&ways.core, p), percentile(&ways.dialect, p));
        for (what, ways) in [("status of a device", &self.status), ("list of 1,000 devices", &self.list)] {
            for (name, p) in [("p50", 0.50), ("p99", 0.99)] {
                let (core, dialect) = at(ways, p);
                writeln!(f, "   {what:<24} {name}  {}", Pair { core, dialect })?;
            }
        }
        let ((core, dialect), (core_beside, dialect_beside)) = (at(&self.quiet, 0.99), at(&self.beside, 0.99));
        writeln!(f, "   a tenant alone           p99  {}", Pair { core, dialect })?;
        writeln!(
            f,
            "   beside {WAITING_SENDS} sends and {WAITING_CODES} codes of another that wait  p99  {}: {:.2} and {:.2} times",
            Pair { core: core_beside, dialect: dialect_beside },
            core_beside / core,
            dialect_beside / dialect
        )?;
        write!(f, "   loading all plugins, compiled before  {:.0} ms", self.loading.as_secs_f64() * 1e3)
    }
}
