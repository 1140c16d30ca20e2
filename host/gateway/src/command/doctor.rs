//! `portico doctor`: checks an installation, says what is wrong and what to do.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use portico_core::ports::{Plugins, Store};
use portico_store::Db;

use super::{Setup, block_on};
use crate::config::Config;
use crate::{bundle, wiring};

/// One line of the report.
struct Check {
    what: &'static str,
    result: Result<String>,
}

pub(super) fn run(setup: &Setup) -> Result<ExitCode> {
    let config = setup.inspect()?;
    let checks = vec![
        Check { what: "certificate chain", result: certificate_chain() },
        Check { what: "data folder", result: data_folder(&config.storage.data) },
        Check { what: "database", result: database(&config) },
        Check { what: "plugins", result: plugins(&config) },
        Check { what: "listener", result: listener(&config) },
    ];
    let mut failed = 0;
    for Check { what, result } in &checks {
        match result {
            Ok(text) => println!("ok    {what}: {text}"),
            Err(error) => {
                failed += 1;
                println!("FAIL  {what}: {error:#}");
            }
        }
    }
    println!("\n{} passed, {failed} failed", checks.len() - failed);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn certificate_chain() -> Result<String> {
    match (portico_whatsapp::forged_chain_is_refused(), cfg!(feature = "sandbox")) {
        (true, _) => Ok("a forged certificate chain is refused".to_owned()),
        (false, true) => Ok("this sandbox build accepts any chain, and therefore dials loopback only".to_owned()),
        (false, false) => bail!("a forged certificate chain is ACCEPTED; don't use this binary"),
    }
}

fn data_folder(data: &Path) -> Result<String> {
    let path = data.join("master.key");
    if !data.exists() {
        return Ok(format!("{} will be made at the first start", data.display()));
    }
    if !path.exists() {
        return Ok(format!("{} has no master key yet; one is made at the first start", data.display()));
    }
    let mode = fs::metadata(&path).with_context(|| path.display().to_string())?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        bail!("{} can be read by others (mode {mode:o}); run: chmod 600 {}", path.display(), path.display());
    }
    Ok(format!("{}, master key private", data.display()))
}

fn database(config: &Config) -> Result<String> {
    let is_new = config.storage.database.is_none() && !config.storage.data.join("portico.db").exists();
    if is_new {
        return Ok("none yet; it is made at the first start".to_owned());
    }
    block_on(async {
        let db = Db::open(&wiring::store_config(&config.storage)).await?;
        let answer = db.check().await;
        db.close().await;
        answer.context("the database does not answer")?;
        Ok("answers, tables up to date".to_owned())
    })
}

fn plugins(config: &Config) -> Result<String> {
    let sources = bundle::sources(config.plugins.dir.as_deref())?;
    if sources.is_empty() {
        bail!("none are built in; build with `make build` or `make release`");
    }
    let runtime = block_on(wiring::runtime(None, sources))?;
    let ids: Vec<_> = runtime.list().into_iter().map(|p| format!("{} {}", p.id, p.version)).collect();
    Ok(format!("{} in order", ids.join(", ")))
}

fn listener(config: &Config) -> Result<String> {
    let bind = config.server.bind;
    match std::net::TcpListener::bind(bind) {
        Ok(_) => Ok(format!("{bind} is free")),
        Err(e) if e.kind() == std::io::ErrorKind::AddrInUse => {
            Ok(format!("{bind} is in use; that is as it should be while the gateway runs"))
        }
        Err(e) => Err(e).with_context(|| format!("{bind} can't be listened on")),
    }
}
