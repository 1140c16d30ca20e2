//! `portico-pack`: builds plugins from the command line.

use std::path::{Path, PathBuf};

use clap::Parser;

/// Builds plugin crates into components with their manifest inside.
#[derive(Parser)]
#[command(version)]
enum Command {
    /// Builds one crate.
    Build {
        /// The crate's folder.
        crate_dir: PathBuf,
        /// Where the component goes; `target/plugins` of the workspace unless given.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Builds every crate with a `plugin.toml` below a folder.
    All {
        /// The folder.
        dir: PathBuf,
        /// Where the components go; `target/plugins` of the workspace unless given.
        #[arg(long)]
        out: Option<PathBuf>,
    },
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Build { crate_dir, out } => build(&crate_dir, out.as_deref()),
        Command::All { dir, out } => {
            let crates = portico_pack::plugins_in(&dir)?;
            anyhow::ensure!(!crates.is_empty(), "no crate with a plugin.toml below {}", dir.display());
            crates.iter().try_for_each(|crate_dir| build(crate_dir, out.as_deref()))
        }
    }
}

fn build(crate_dir: &Path, out: Option<&Path>) -> anyhow::Result<()> {
    let built = portico_pack::build(crate_dir, out)?;
    let how = if built.rebuilt { "built" } else { "up to date" };
    println!("{} ({} KiB, {how})", built.path.display(), built.bytes.div_ceil(1024));
    Ok(())
}
