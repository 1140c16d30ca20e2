//! `portico plugin …`, and the hidden command that compiles a component apart from the gateway. What asks a running gateway is in
//! [`remote`].

mod remote;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use portico_core::ports::plugins::{PluginInfo, Plugins};
use portico_runtime::{LoadError, check_file};

use super::block_on;
use crate::{bundle, wiring};
use remote::{Remote, Target};

#[derive(Subcommand)]
pub(super) enum Plugin {
    /// Check a component the way the gateway does before it loads it: form, imports, grants, hooks.
    Check {
        /// The component (*.wasm), as `portico-pack build` makes it.
        file: PathBuf,
    },
    /// List the built-in plugins, and those of a folder: hooks, mounts, and what each was granted and why.
    List {
        /// Folder with further plugins (*.wasm).
        #[arg(long, value_name = "DIR")]
        plugins: Option<PathBuf>,
        /// List what a running gateway has installed instead.
        #[arg(long, conflicts_with = "plugins")]
        running: bool,
        #[command(flatten)]
        gateway: Remote,
    },
    /// Install a component in a running gateway, or a new version of a plugin.
    Install {
        /// The component (*.wasm).
        file: PathBuf,
        #[command(flatten)]
        gateway: Remote,
    },
    /// Switch a plugin on, for the tenant or for one device.
    Enable {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        gateway: Remote,
    },
    /// Switch a plugin off, for the tenant or for one device.
    Disable {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        gateway: Remote,
    },
    /// Show what holds of a plugin; with SETTINGS, change its settings first.
    Settings {
        #[command(flatten)]
        target: Target,
        /// A JSON object: a merge patch over the settings, `null` removes one.
        #[arg(value_name = "SETTINGS")]
        patch: Option<String>,
        #[command(flatten)]
        gateway: Remote,
    },
    /// Go back to the version of a plugin that was current before.
    Rollback {
        /// The plugin's id.
        plugin: String,
        #[command(flatten)]
        gateway: Remote,
    },
}

impl Plugin {
    pub(super) fn run(self) -> Result<ExitCode> {
        match self {
            Self::Check { file } => {
                let checked = block_on(async { Ok(check_file(&file).await) })?;
                let plugin = checked.map_err(|error| refused(&file, error))?;
                print!("{}", describe(&plugin)?);
                println!("in order");
            }
            Self::List { running: true, gateway, .. } => gateway.list()?,
            Self::Install { file, gateway } => gateway.install(&file)?,
            Self::Enable { target, gateway } => gateway.switch(&target, "on")?,
            Self::Disable { target, gateway } => gateway.switch(&target, "off")?,
            Self::Settings { target, patch, gateway } => gateway.settings(&target, patch.as_deref())?,
            Self::Rollback { plugin, gateway } => gateway.roll_back(&plugin)?,
            Self::List { plugins, .. } => {
                let sources = bundle::sources(plugins.as_deref())?;
                let runtime = block_on(wiring::runtime(None, sources))?;
                for plugin in runtime.list().iter() {
                    println!("{}", describe(plugin)?);
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn refused(file: &Path, error: LoadError) -> anyhow::Error {
    match error {
        // It names the file itself.
        LoadError::Read { .. } => error.into(),
        _ => anyhow::Error::new(error).context(format!("{} is refused", file.display())),
    }
}

/// What an operator wants to know before trusting it.
fn describe(info: &PluginInfo) -> Result<String> {
    let mut out = String::new();
    writeln!(out, "{} {}: {}", info.id, info.version, info.name)?;
    writeln!(out, "  sha256  {}", info.digest)?;
    let hooks: Vec<_> = info.hooks.iter().map(|hook| hook.as_str()).collect();
    writeln!(out, "  hooks   {}", hooks.join(", "))?;
    if let Some(mount) = &info.mount {
        let root = if mount.root.is_empty() { String::new() } else { format!(", {}", mount.root.join(", ")) };
        writeln!(out, "  mount   /d/{}{root}; {} routes", mount.name, info.routes.len())?;
    }
    if info.grants.is_empty() {
        writeln!(out, "  grants  none")?;
    }
    for grant in &info.grants {
        writeln!(out, "  grants  {}: {}", grant.kind.as_str(), grant.why)?;
    }
    Ok(out)
}

/// Reads a component, writes its compiled form.
pub(super) fn compile() -> Result<ExitCode> {
    portico_runtime::compile_main(std::io::stdin().lock(), std::io::stdout().lock())?;
    Ok(ExitCode::SUCCESS)
}
