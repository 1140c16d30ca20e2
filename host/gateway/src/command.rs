//! The command line: one file per command.

mod config;
mod doctor;
mod log;
mod migrate;
mod openapi;
mod plugin;
#[cfg(feature = "sandbox")]
mod sandbox;
mod serve;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::config::{Config, Overrides};

/// A self-hosted WhatsApp gateway: many sessions, many tenants, one program.
#[derive(Parser)]
#[command(
    name = "portico",
    version,
    propagate_version = true,
    after_help = "Examples:\n  \
        portico serve --sandbox --data ./data      try everything with virtual phones, no internet needed\n  \
        portico serve --data /var/lib/portico      run for real (production build)\n  \
        portico doctor --data /var/lib/portico     is everything in order?\n  \
        portico config                             what is set, and to what\n\n\
        Settings come from defaults, then --config FILE, then PORTICO_SECTION__KEY of the environment, then flags.\n\
        Keys for automation: PORTICO_ADMIN_TOKEN, PORTICO_API_TOKEN. Master key, where it is not in the data folder:\n\
        PORTICO_MASTER_KEY (64 hexadecimal digits). For commands that ask a running gateway: PORTICO_GATEWAY, PORTICO_KEY.\n\
        Without rate limits, in sandbox mode only: PORTICO_LIMITS=off.\n\
        Log: PORTICO_LOG=info, PORTICO_LOG_FORMAT=json."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the gateway.
    Serve(serve::Serve),
    /// Check an installation: data folder, database, keys, plugins, WhatsApp's certificate chain. Changes nothing.
    Doctor(doctor::Doctor),
    /// Bring the database up to date and stop.
    Migrate(Setup),
    /// Print every setting with its value and what it is for. Holds no secrets.
    Config(Setup),
    /// Print the OpenAPI description of the REST API.
    Openapi,
    /// Look at plugins, and have a running gateway install them and switch them on and off.
    #[command(subcommand)]
    Plugin(plugin::Plugin),
    /// Run the sandbox network alone, with its virtual phones.
    #[cfg(feature = "sandbox")]
    Sandbox(sandbox::SandboxCommand),
    /// Compile a component from standard input to standard output (the gateway calls this itself).
    #[command(hide = true)]
    PluginCompile,
}

/// Where settings come from; the same for every command.
#[derive(Args, Clone, Default)]
pub struct Setup {
    /// Configuration file (TOML); `portico config` prints one to start from.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder for the database, the master key and compiled plugins. Default: portico-data
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Database: postgres://USER:PASSWORD@HOST/NAME. Default: SQLite in the data folder
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    /// Folder with further plugins (*.wasm).
    #[arg(long, value_name = "DIR")]
    pub plugins: Option<PathBuf>,
}

/// Where it listens; for the commands that do, or that check it.
#[derive(Args, Clone, Default)]
pub struct Listen {
    /// Where the REST API listens. Default: 127.0.0.1:3000
    #[arg(long, value_name = "ADDR")]
    pub bind: Option<SocketAddr>,
    /// The second listener, for event streams and sockets of dialects alone. Default: port 3001 beside the first
    #[arg(long, value_name = "ADDR")]
    pub ws_bind: Option<SocketAddr>,
}

impl Setup {
    fn overrides(&self) -> Overrides {
        Overrides {
            data: self.data.clone(),
            database: self.database.clone(),
            plugins: self.plugins.clone(),
            ..Overrides::default()
        }
    }

    /// The configuration for commands that look at an installation and run nothing: a sandbox build may look too.
    fn inspect(&self, listen: &Listen) -> Result<Config> {
        let overrides = Overrides { bind: listen.bind, ws_bind: listen.ws_bind, ..self.overrides() };
        Config::load_to_inspect(self.config.as_deref(), overrides)
    }
}

impl Cli {
    /// Runs the command.
    pub fn run(self) -> Result<ExitCode> {
        match self.command {
            Command::Serve(serve) => serve.run(),
            Command::Doctor(doctor) => doctor.run(),
            Command::Migrate(setup) => migrate::run(&setup),
            Command::Config(setup) => config::run(&setup),
            Command::Openapi => openapi::run(),
            Command::Plugin(plugin) => plugin.run(),
            #[cfg(feature = "sandbox")]
            Command::Sandbox(sandbox) => sandbox.run(),
            Command::PluginCompile => plugin::compile(),
        }
    }
}

/// A runtime for commands that wait for something.
fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}
