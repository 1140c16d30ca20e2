//! A gateway in the test's own process: the real wiring, free ports, its own database and sandbox network.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use portico::config::{RateLimits, Secrets};
use portico::machine::Machine;
use portico::{Config, Running};
use portico_sandbox::Phone;
use serde_json::json;
use tempfile::TempDir;

use crate::{Client, Database, Kind, Receiver, wait_until};

/// A running gateway.
pub struct TestGateway {
    /// Speaks to it with the first admin key.
    pub api: Client,
    /// The first admin key.
    pub key: String,
    running: Option<Running>,
    config: Config,
    folder: TempDir,
    numbers: AtomicU32,
    // Dropped last: the gateway holds connections.
    _database: Database,
}

/// A device that is connected, with the phone it is linked to.
pub struct PairedDevice {
    /// The device's id.
    pub id: String,
    /// The phone that scanned its QR code.
    pub phone: Phone,
}

/// Where all tests keep compiled plugins: compiling them takes longer than most tests.
pub(crate) fn compiled() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/compiled-plugins")
}

impl TestGateway {
    /// Starts one.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(kind: Kind) -> Self {
        Self::start_with(kind, |_| {}).await
    }

    /// Starts one with a changed configuration.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_with(kind: Kind, change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let database = Database::create(kind, folder.path()).await;
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        let mut config = Config::default();
        config.server.bind = any;
        config.server.ws_bind = Some(any);
        config.server.rate_limits = RateLimits::Off;
        config.storage.data = folder.path().to_owned();
        config.storage.database = Some(database.url().to_owned());
        config.plugins.compiled = Some(compiled());
        config.sandbox.enabled = true;
        config.sandbox.bind = any;
        config.whatsapp.pre_key_count = 30;
        change(&mut config);
        let running = Self::run(&config, |_| {}).await;
        let key = running.first_key.as_ref().expect("the first start makes a key").reveal().to_owned();
        let api = Client::new(format!("http://{}", running.http), Some(key.clone()));
        Self { api, key, running: Some(running), config, folder, numbers: AtomicU32::new(1), _database: database }
    }

    async fn run(config: &Config, change: impl FnOnce(&mut Secrets)) -> Running {
        let mut secrets = Secrets::load(&config.storage.data).expect("secrets");
        change(&mut secrets);
        Running::start(config.clone(), secrets, Machine::default()).await.expect("the gateway starts")
    }

    /// Stops it and starts it again on the same data. Clients made before speak to the old port.
    pub async fn restart(&mut self) {
        self.restart_with(|_| {}).await;
    }

    /// As [`Self::restart`], with other secrets.
    pub async fn restart_with(&mut self, change: impl FnOnce(&mut Secrets)) {
        self.stop().await;
        let running = Self::run(&self.config, change).await;
        self.api = Client::new(format!("http://{}", running.http), Some(self.key.clone()));
        self.running = Some(running);
    }

    /// Stops it gracefully.
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.shutdown().await;
        }
    }

    /// What runs.
    ///
    /// # Panics
    /// When it was stopped.
    pub fn running(&self) -> &Running {
        self.running.as_ref().expect("it runs")
    }

    /// The folder with its data.
    pub fn data(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// A fresh phone.
    ///
    /// # Panics
    /// When the sandbox refuses.
    pub fn phone(&self) -> Phone {
        let number = format!("1555010{:04}", self.numbers.fetch_add(1, Ordering::Relaxed));
        let sandbox = self.running().sandbox().expect("a sandbox");
        sandbox.create_phone(Some(&number), Some("Ada")).expect("a phone")
    }

    /// A device that was made, scanned by a fresh phone, and is connected.
    ///
    /// # Panics
    /// When it does not get there.
    pub async fn paired(&self, name: &str) -> PairedDevice {
        let device = self.api.post("/v1/devices", json!({ "name": name })).await.expect(201).str("/id");
        let phone = self.phone();
        self.pair(&device, &phone).await;
        PairedDevice { id: device, phone }
    }

    /// Lets a phone scan a device's QR code and waits until it is connected.
    ///
    /// # Panics
    /// When it does not get there.
    pub async fn pair(&self, device: &str, phone: &Phone) {
        self.api.act(&format!("/v1/devices/{device}/connect")).await;
        let qr = wait_until("a QR code", || async {
            let answer = self.api.get(&format!("/v1/devices/{device}/qr?format=json")).await;
            (answer.status == 200).then(|| answer.str("/text"))
        })
        .await;
        phone.scan_qr(&qr).await.expect("the phone scans the code");
        self.wait_for_state(device, "connected").await;
    }

    /// Waits until a device is in a state.
    pub async fn wait_for_state(&self, device: &str, state: &str) {
        wait_until(&format!("the device to be {state}"), || async {
            let answer = self.api.get(&format!("/v1/devices/{device}")).await;
            (answer.json["state"] == state).then_some(())
        })
        .await;
    }

    /// Sends a text and gives the message as answered.
    pub async fn send_text(&self, device: &str, to: &str, text: &str) -> serde_json::Value {
        let body = json!({ "to": to, "content": { "type": "text", "text": text } });
        self.api.post(&format!("/v1/devices/{device}/messages"), body).await.expect(202).json
    }

    /// A receiver subscribed to events of a device, with the subscription's id and secret.
    pub async fn webhook(&self, device: &str, events: &[&str]) -> (Receiver, String, String) {
        let receiver = Receiver::start().await;
        let body = json!({ "device": device, "url": receiver.url(), "events": events });
        let made = self.api.post("/v1/webhooks", body).await.expect(201);
        (receiver, made.str("/id"), made.str("/secret"))
    }
}
