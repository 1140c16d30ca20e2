//! `portico sandbox`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use portico_sandbox::Sandbox;
use tokio::signal::unix::{SignalKind, signal};

use super::{block_on, log};

/// Run the sandbox network alone. Gateways use it with `portico serve --sandbox-network ADDR`.
#[derive(Args)]
pub(super) struct SandboxCommand {
    /// Where clients connect: the WebSocket /ws/chat and the media host. Loopback only
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8081")]
    network_bind: SocketAddr,
    /// Where the admin API listens: phones, inboxes, sending. Loopback only
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    bind: SocketAddr,
    /// Serve the admin API on the network's address too, for clients that know one port only
    #[arg(long)]
    one_port: bool,
    /// Serve the media host with https too, under a certificate signed by itself. Loopback only
    #[arg(long, value_name = "ADDR")]
    media_https: Option<SocketAddr>,
    /// The media host's name as clients are told it. Default: the address of --media-https, else media.sandbox.invalid
    #[arg(long, value_name = "HOST[:PORT]")]
    media_host: Option<String>,
    /// Let a QR text that no named phone scans be scanned by the phone with the client's push name
    #[arg(long)]
    phones_by_push_name: bool,
    /// Let everyone hear of everyone's about text, picture and devices
    #[arg(long)]
    all_are_contacts: bool,
    /// Folder that keeps server keys and phones; without it they are gone at the end
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl SandboxCommand {
    pub(super) fn run(self) -> Result<ExitCode> {
        log::start()?;
        block_on(async {
            let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
            let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
            let config = portico_sandbox::Config {
                network: self.network_bind,
                admin: self.bind,
                one_port: self.one_port,
                media_https: self.media_https,
                media_host: self.media_host,
                phones_by_push_name: self.phones_by_push_name,
                all_are_contacts: self.all_are_contacts,
                data_dir: self.data,
                ..portico_sandbox::Config::default()
            };
            let sandbox = Sandbox::start(config).await?;
            println!("\nThe sandbox network is ready.\n");
            let network = sandbox.media_base();
            println!("  A gateway on it  portico serve --sandbox-network {}", network.trim_start_matches("http://"));
            println!("  Other clients    {}    media: {network}", sandbox.ws_url());
            if let Some(media) = sandbox.media_https_addr() {
                println!("  Media host       https://{media}    as clients are told it: {}", sandbox.media_host());
            }
            println!("  Phones           http://{}    a page, and the admin API\n", sandbox.admin_addr());
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            sandbox.shutdown().await;
            Ok(ExitCode::SUCCESS)
        })
    }
}
