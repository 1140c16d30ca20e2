//! `portico doctor`: checks an installation, says what is wrong and what to do.
//!
//! Invariant: it changes nothing, and finds nothing wrong with an installation because its gateway runs.

mod data;

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use portico_core::ports::Plugins;
use portico_store::{Db, Integrity, Look};

use super::{Listen, Setup, block_on};
use crate::config::Config;
use crate::{bundle, wiring};

/// Check an installation: data folder, database, keys, plugins, listeners, WhatsApp's certificate chain. Changes nothing.
#[derive(Args)]
pub(super) struct Doctor {
    #[command(flatten)]
    setup: Setup,
    #[command(flatten)]
    listen: Listen,
}

/// One line of the report.
struct Check {
    what: &'static str,
    result: Result<String>,
}

impl Doctor {
    pub(super) fn run(self) -> Result<ExitCode> {
        let config = self.setup.inspect(&self.listen)?;
        let data = &config.storage.data;
        let (database, report) = match look(&config) {
            Ok(database) => (Some(database), Ok(())),
            Err(error) => (None, Err(error)),
        };
        let in_use = database.as_ref().is_some_and(|d| d.in_use);
        let sealed = database.as_ref().and_then(|d| d.sealed.as_ref());
        let mut checks = vec![
            Check { what: "certificate chain", result: certificate_chain() },
            Check { what: "data folder", result: data::folder(data) },
            Check { what: "master key", result: data::master_key(data, sealed) },
            Check {
                what: "database",
                result: report.and_then(|()| database.as_ref().map_or(Ok(String::new()), describe)),
            },
            Check { what: "plugins", result: plugins(&config) },
            Check { what: "listener", result: listener(config.server.bind, "--bind", in_use) },
        ];
        if let Some(address) = config.server.ws_address() {
            let mut result = listener(address, "--ws-bind", in_use);
            if config.server.ws_bind.is_none() {
                // Nobody asked for it in so many words: the gateway starts without it.
                result = result.or_else(|error| Ok(format!("none: {error:#}")));
            }
            checks.push(Check { what: "event listener", result });
        }
        Ok(print(&checks))
    }
}

fn print(checks: &[Check]) -> ExitCode {
    let mut failed = 0;
    for Check { what, result } in checks {
        match result {
            Ok(text) => println!("ok    {what}: {text}"),
            Err(error) => {
                failed += 1;
                println!("FAIL  {what}: {error:#}");
            }
        }
    }
    println!("\n{} passed, {failed} failed", checks.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn certificate_chain() -> Result<String> {
    match (portico_whatsapp::forged_chain_is_refused(), cfg!(feature = "sandbox")) {
        (true, _) => Ok("a forged certificate chain is refused".to_owned()),
        (false, true) => Ok("this sandbox build accepts any chain, and therefore dials loopback only".to_owned()),
        (false, false) => bail!("a forged certificate chain is ACCEPTED; don't use this binary"),
    }
}

fn look(config: &Config) -> Result<Look> {
    // The first start makes the folder with the file; nobody makes the folder of a file named by `--database`.
    if config.storage.database.is_none() && !config.storage.data.is_dir() {
        return Ok(Look::default());
    }
    block_on(async { Ok(Db::look(&config.storage.to_store_config()).await?) })
}

fn describe(database: &Look) -> Result<String> {
    if !database.exists {
        return Ok("none yet; it is made at the first start".to_owned());
    }
    let checked = match &database.integrity {
        Integrity::Damaged(what) => bail!(
            "the file is damaged ({what}); stop the gateway and restore a backup, or salvage what can be read with `sqlite3 FILE .recover`"
        ),
        Integrity::Unfinished(after) => format!("; nothing damaged in what {} s were enough to check", after.as_secs()),
        Integrity::Sound => "; its pages are sound".to_owned(),
        Integrity::Unchecked => String::new(),
    };
    let running = if database.in_use { "; a gateway is running on it" } else { "" };
    Ok(match database.pending {
        0 => format!("answers, tables up to date{checked}{running}"),
        n => format!(
            "answers, {n} migration(s) pending: the next start or `portico migrate` runs them, back it up before{checked}{running}"
        ),
    })
}

fn plugins(config: &Config) -> Result<String> {
    let sources = bundle::sources(config.plugins.dir.as_deref())?;
    if sources.is_empty() {
        bail!("none are built in; build with `make build` or `make release`");
    }
    let runtime = block_on(wiring::runtime(None, sources))?;
    let ids: Vec<_> = runtime.list().iter().map(|p| format!("{} {}", p.id, p.version)).collect();
    Ok(format!("{} in order", ids.join(", ")))
}

fn listener(address: SocketAddr, flag: &str, in_use: bool) -> Result<String> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(format!("{address} is free")),
        Err(e) if e.kind() == std::io::ErrorKind::AddrInUse && in_use => {
            Ok(format!("{address} is in use, as it should be while the gateway runs"))
        }
        Err(e) if e.kind() == std::io::ErrorKind::AddrInUse => {
            bail!("{address} is in use by another program; end that one or choose another address with {flag}")
        }
        Err(e) => Err(e).with_context(|| format!("{address} can't be listened on; choose another with {flag}")),
    }
}
