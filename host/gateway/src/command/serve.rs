//! `portico serve`

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::{Listen, Setup, block_on, log};
use crate::config::{Config, Overrides, Secrets};
use crate::machine::Machine;
use crate::wiring::Running;

/// Run the gateway until SIGTERM or Ctrl-C.
#[derive(Args)]
pub(super) struct Serve {
    #[command(flatten)]
    setup: Setup,
    #[command(flatten)]
    listen: Listen,
    /// Run the sandbox network inside and talk to it alone (sandbox builds only)
    #[arg(long)]
    sandbox: bool,
    /// Where the sandbox's admin API listens. Default: 127.0.0.1:8080
    #[arg(long, value_name = "ADDR")]
    sandbox_bind: Option<SocketAddr>,
    /// Use a sandbox that runs beside (`portico sandbox`): the address of its network listener
    #[arg(long, value_name = "ADDR")]
    sandbox_network: Option<String>,
}

impl Serve {
    pub(super) fn run(self) -> Result<ExitCode> {
        let overrides = Overrides {
            bind: self.listen.bind,
            ws_bind: self.listen.ws_bind,
            sandbox: self.sandbox,
            sandbox_bind: self.sandbox_bind,
            sandbox_network: self.sandbox_network,
            ..self.setup.overrides()
        };
        let config = Config::load(self.setup.config.as_deref(), overrides)?;
        log::start()?;
        more_files();
        let secrets = Secrets::load(&config.storage.data)?;
        block_on(async {
            // Before anything is opened, so that a signal during the start is not lost.
            let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
            let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
            let running = Running::start(config, secrets, Machine::default()).await?;
            greet(&running);
            let lost = tokio::select! {
                _ = terminate.recv() => None,
                _ = interrupt.recv() => None,
                lost = running.lost() => Some(lost),
            };
            eprintln!("portico: stopping");
            if let Some(lost) = lost {
                running.abandon().await;
                return Err(lost.into());
            }
            running.shutdown().await;
            Ok(ExitCode::SUCCESS)
        })
    }
}

/// Sockets are files: the soft limit of most systems, 1024, is far below what many sessions and clients need.
fn more_files() {
    match rlimit::increase_nofile_limit(rlimit::INFINITY) {
        Ok(files) => tracing::debug!(files, "files that may be open at once"),
        Err(error) => tracing::warn!(%error, "the limit of open files can't be raised"),
    }
}

/// What a new user needs first.
fn greet(running: &Running) {
    let url = format!("http://{}", running.http);
    println!("\nPortico {} is ready.\n", env!("CARGO_PKG_VERSION"));
    println!("  REST API   {url}/v1        documentation: {url}/docs");
    if let Some(ws) = running.ws {
        println!("  Events     ws://{ws}/v1/events        sockets of dialects: ws://{ws}/");
    }
    if let Some(sandbox) = running.sandbox_admin() {
        println!("  Sandbox    http://{sandbox}    virtual phones; this build talks to loopback only");
    }
    match &running.first_key {
        Some(key) => println!("  Admin key  {}        shown this once: keep it\n", key.reveal()),
        None => println!("  Keys       as before (a key is shown once, when it is made)\n"),
    }
}
