//! `portico plugin …`, and the hidden command that compiles a component apart from the gateway.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use portico_core::ports::Plugins;
use portico_core::ports::plugins::PluginInfo;

use super::block_on;
use crate::{bundle, wiring};

#[derive(Subcommand)]
pub(super) enum Plugin {
    /// Check a component the way the gateway does before it loads it: form, imports, grants, hooks.
    Check {
        /// The component (*.wasm), as `portico-pack build` makes it.
        file: PathBuf,
    },
    /// List the built-in plugins, and those of a folder.
    List {
        /// Folder with further plugins (*.wasm).
        #[arg(long, value_name = "DIR")]
        plugins: Option<PathBuf>,
    },
}

impl Plugin {
    pub(super) fn run(self) -> Result<ExitCode> {
        match self {
            Self::Check { file } => {
                let info = block_on(async { Ok(portico_runtime::check_file(&file).await?) })?;
                print(&info);
                println!("in order");
            }
            Self::List { plugins } => {
                let sources = bundle::sources(plugins.as_deref())?;
                let runtime = block_on(wiring::runtime(None, sources))?;
                runtime.list().iter().for_each(print);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn print(info: &PluginInfo) {
    println!("{:<24} {:<10} {:<40} sha256:{}", info.id, info.version, info.name, info.digest);
}

/// Reads a component, writes its compiled form.
pub(super) fn compile() -> Result<ExitCode> {
    portico_runtime::compile_main(std::io::stdin().lock(), std::io::stdout().lock())?;
    Ok(ExitCode::SUCCESS)
}
