//! The test bed: gateway and sandbox as processes; pairing; memory and CPU from the kernel's own accounts.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use portico_harness::{Client, Database, Process, wait_until};
use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;

const ADMIN: &str = "b7e1c09d53f2486a9c1e5d7048fa2260";
/// One-time keys a device uploads here: few, so that pairing is not what is measured.
const PRE_KEYS: &str = "30";
/// How long a process may take to stop.
const STOP_PATIENCE: Duration = Duration::from_secs(60);

/// Gateway, network, and clients of both.
pub struct Bed {
    /// Speaks to the gateway.
    pub api: Client,
    /// Speaks to the admin API of the network.
    pub phones: Client,
    /// Where clients of the network connect: host and port.
    pub network: String,
    gateway: Process,
    bind: String,
    numbers: AtomicUsize,
    sandbox: Process,
    folder: TempDir,
    // Dropped last: the gateway holds connections.
    database: Option<Database>,
}

/// A connected device.
pub struct Device {
    /// Its id.
    pub id: String,
    /// The number of the phone it is linked to.
    pub number: String,
}

fn free_address() -> Result<String> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// The gateway's binary, beside this program's.
fn binary() -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("portico");
    if !path.exists() {
        bail!("{} is missing: run `make bench` or `make soak`, which build it first", path.display());
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
    /// Starts both, with SQLite, or with a database of its own on a Postgres server.
    ///
    /// # Errors
    /// When the gateway's binary is missing.
    pub async fn start(postgres: Option<&str>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let database = match postgres {
            Some(server) => Some(Database::create_on(server).await),
            None => None,
        };
        let (network, admin, bind) = (free_address()?, free_address()?, free_address()?);
        let args = ["sandbox", "--network-bind", &network, "--bind", &admin];
        let sandbox = Process::start(&binary()?, &args, &[("PORTICO_LOG", "warn")]);
        let phones = Client::new(format!("http://{admin}"), None);
        answers(&phones, "the sandbox").await;
        let gateway = start_gateway(folder.path(), &bind, &network, database.as_ref())?;
        let api = Client::new(format!("http://{bind}"), Some(ADMIN.to_owned()));
        answers(&api, "the gateway").await;
        let numbers = AtomicUsize::new(1);
        Ok(Self { api, phones, network, gateway, bind, numbers, sandbox, folder, database })
    }

    /// Stops the gateway, calls `meanwhile`, and starts the gateway again on the same data. When this returns it answers, and
    /// its sessions are being restored.
    ///
    /// # Errors
    /// When `meanwhile` fails.
    pub async fn restart(&mut self, meanwhile: impl FnOnce() -> Result<()>) -> Result<()> {
        self.gateway.terminate(STOP_PATIENCE);
        meanwhile()?;
        self.gateway = start_gateway(self.folder.path(), &self.bind, &self.network, self.database.as_ref())?;
        answers(&self.api, "the gateway").await;
        Ok(())
    }

    /// The folder with the gateway's data.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A phone nobody used yet; gives its number.
    pub async fn phone(&self) -> String {
        let number = format!("1555010{:04}", self.numbers.fetch_add(1, Ordering::Relaxed));
        self.phones.post("/phones", json!({ "number": number })).await.expect(201);
        number
    }

    /// Lets a phone scan.
    pub async fn scan(&self, number: &str, qr: String) {
        let scan = self.phones.request(Method::POST, &format!("/admin/mock-phone/scan-qr?phone={number}"));
        Client::send(scan.body(qr)).await.expect(200);
    }

    /// A new device, connected.
    pub async fn device(&self) -> Device {
        self.device_of(&self.api).await
    }

    /// A new device of the tenant whose key `api` has, connected.
    pub async fn device_of(&self, api: &Client) -> Device {
        let number = self.phone().await;
        let id = api.post("/v1/devices", json!({ "name": number })).await.expect(201).str("/id");
        api.act(&format!("/v1/devices/{id}/connect")).await.expect(202);
        let qr = wait_until("a code", || async {
            let answer = api.get(&format!("/v1/devices/{id}/qr?format=json")).await;
            (answer.status == 200).then(|| answer.str("/text"))
        })
        .await;
        self.scan(&number, qr).await;
        wait_until("connected", || async {
            (api.get(&format!("/v1/devices/{id}")).await.json["state"] == "connected").then_some(())
        })
        .await;
        Device { id, number }
    }

    /// Has the network stand still: it takes connections and answers nothing.
    ///
    /// # Errors
    /// When it does not run.
    pub fn stall(&self) -> Result<()> {
        Ok(kill(self.sandbox_pid()?, Signal::SIGSTOP)?)
    }

    /// Has the network go on.
    ///
    /// # Errors
    /// When it does not run.
    pub fn go_on(&self) -> Result<()> {
        Ok(kill(self.sandbox_pid()?, Signal::SIGCONT)?)
    }

    fn sandbox_pid(&self) -> Result<Pid> {
        Ok(Pid::from_raw(i32::try_from(self.sandbox.pid())?))
    }

    /// How many devices are connected, as `/metrics` tells it.
    ///
    /// # Errors
    /// When the figure is missing.
    pub async fn connected(&self) -> Result<usize> {
        let text = self.api.get("/metrics").await.expect(200).text;
        let line = text.lines().find(|line| line.starts_with("portico_devices{state=\"connected\"}"));
        let value = line.and_then(|line| line.rsplit_once(' ')).context("the figure of connected devices")?.1;
        Ok(value.parse::<f64>()? as usize)
    }

    /// Resident memory of the gateway, in KiB.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn resident_kib(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.gateway.pid()))?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).context("no VmRSS")?;
        line.split_whitespace().next().context("no figure")?.parse().context("no number")
    }

    /// CPU time the gateway used so far, in clock ticks of 10 ms.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn cpu_ticks(&self) -> Result<u64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.gateway.pid()))?;
        let after_name = stat.rsplit_once(')').context("no name")?.1;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let field = |i: usize| fields.get(i).context("short line")?.parse::<u64>().context("no number");
        // utime and stime are fields 14 and 15 of the line, 11 and 12 behind the name.
        Ok(field(11)? + field(12)?)
    }
}

fn start_gateway(folder: &Path, bind: &str, network: &str, database: Option<&Database>) -> Result<Process> {
    let data = folder.join("data").display().to_string();
    let mut args = vec!["serve", "--bind", bind, "--data", &data, "--sandbox-network", network];
    if let Some(database) = database {
        args.extend(["--database", database.url()]);
    }
    let env = [
        ("PORTICO_ADMIN_TOKEN", ADMIN),
        ("PORTICO_LIMITS", "off"),
        ("PORTICO_WHATSAPP__PRE_KEYS", PRE_KEYS),
        ("PORTICO_LOG", "warn"),
    ];
    Ok(Process::start(&binary()?, &args, &env))
}
