//! The test bed: gateway and sandbox as processes; pairing; memory and CPU from the kernel's own accounts.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use portico_harness::{Client, Process, wait_until};
use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;
use tokio::time::sleep;

const ADMIN: &str = "b7e1c09d53f2486a9c1e5d7048fa2260";
/// One-time keys a device uploads here: few, so that pairing is not what is measured.
const PRE_KEYS: &str = "30";

/// Gateway, network, and clients of both.
pub(crate) struct Bed {
    pub(crate) api: Client,
    pub(crate) phones: Client,
    /// Where clients of the network connect.
    pub(crate) network: String,
    gateway: Process,
    numbers: AtomicUsize,
    _sandbox: Process,
    _folder: TempDir,
}

fn free_address() -> Result<String> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

fn binary() -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("portico");
    if !path.exists() {
        bail!("{} is missing: run `make bench`, which builds it first", path.display());
    }
    Ok(path)
}

async fn answers(client: &Client, what: &str) {
    wait_until(what, || async {
        let answer = Client::try_send(client.request(Method::GET, "/health")).await;
        answer.is_ok_and(|a| a.status == 200).then_some(())
    })
    .await;
}

impl Bed {
    pub(crate) async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (network, admin, bind) = (free_address()?, free_address()?, free_address()?);
        let program = binary()?;
        let quiet = [("PORTICO_LOG", "warn")];
        let sandbox = Process::start(&program, &["sandbox", "--network-bind", &network, "--bind", &admin], &quiet);
        let phones = Client::new(format!("http://{admin}"), None);
        answers(&phones, "the sandbox").await;
        let data = folder.path().display().to_string();
        let args = ["serve", "--bind", &bind, "--data", &data, "--sandbox-network", &network];
        let env = [
            ("PORTICO_ADMIN_TOKEN", ADMIN),
            ("PORTICO_LIMITS", "off"),
            ("PORTICO_TUNING__PRE_KEYS", PRE_KEYS),
            ("PORTICO_LOG", "warn"),
        ];
        let gateway = Process::start(&program, &args, &env);
        let api = Client::new(format!("http://{bind}"), Some(ADMIN.to_owned()));
        answers(&api, "the gateway").await;
        Ok(Self { api, phones, network, gateway, numbers: AtomicUsize::new(1), _sandbox: sandbox, _folder: folder })
    }

    /// A phone nobody used yet; gives its number.
    pub(crate) async fn phone(&self) -> String {
        let number = format!("1555010{:04}", self.numbers.fetch_add(1, Ordering::Relaxed));
        self.phones.post("/phones", json!({ "number": number })).await.expect(201);
        number
    }

    /// Lets a phone scan.
    pub(crate) async fn scan(&self, number: &str, qr: String) {
        let scan = self.phones.request(Method::POST, &format!("/admin/mock-phone/scan-qr?phone={number}"));
        Client::send(scan.body(qr)).await.expect(200);
    }

    /// A connected device and the number it has.
    pub(crate) async fn device(&self) -> (String, String) {
        let number = self.phone().await;
        let device = self.api.post("/v1/devices", json!({ "name": number })).await.expect(201).str("/id");
        self.api.act(&format!("/v1/devices/{device}/connect")).await.expect(202);
        let qr = wait_until("a code", || async {
            let answer = self.api.get(&format!("/v1/devices/{device}/qr?format=json")).await;
            (answer.status == 200).then(|| answer.str("/text"))
        })
        .await;
        self.scan(&number, qr).await;
        wait_until("connected", || async {
            (self.api.get(&format!("/v1/devices/{device}")).await.json["state"] == "connected").then_some(())
        })
        .await;
        (device, number)
    }

    fn resident_kib(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.gateway.pid()))?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).context("no VmRSS")?;
        line.split_whitespace().next().context("no figure")?.parse().context("no number")
    }

    /// CPU time used so far, in clock ticks of 10 ms.
    fn cpu_ticks(&self) -> Result<u64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.gateway.pid()))?;
        let after_name = stat.rsplit_once(')').context("no name")?.1;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let field = |i: usize| fields.get(i).context("short line")?.parse::<u64>().context("no number");
        // utime and stime are fields 14 and 15 of the line, 11 and 12 behind the name.
        Ok(field(11)? + field(12)?)
    }
}

/// What idle sessions cost.
pub(crate) struct Idle {
    sessions: usize,
    before_kib: u64,
    after_kib: u64,
    cpu_percent: f64,
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = self.after_kib.saturating_sub(self.before_kib) as f64 / self.sessions as f64;
        writeln!(f, "   without sessions {:>7} KiB resident", self.before_kib)?;
        writeln!(f, "   {} sessions     {:>7} KiB resident = {each:.0} KiB a session", self.sessions, self.after_kib)?;
        write!(f, "   CPU while idle   {:.2} % of one core", self.cpu_percent)
    }
}

/// Pairs `sessions` devices and lets them rest.
pub(crate) async fn idle(bed: &Bed, sessions: usize) -> Result<Idle> {
    const REST: Duration = Duration::from_secs(10);
    let before_kib = bed.resident_kib()?;
    for _ in 0..sessions {
        bed.device().await;
    }
    sleep(REST).await;
    let ticks = bed.cpu_ticks()?;
    sleep(REST).await;
    let cpu_percent = (bed.cpu_ticks()? - ticks) as f64 / REST.as_secs_f64();
    Ok(Idle { sessions, before_kib, after_kib: bed.resident_kib()?, cpu_percent })
}
