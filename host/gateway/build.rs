//! Lists the components in `target/plugins` (or `PORTICO_BUNDLE`) so that they are compiled into the binary.
//!
//! `make plugins` builds them. Without them the gateway still builds, for checks and documentation; it says so when started.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, Result};

/// What the gateway comes with; other files in the folder (test guests) are left out.
const BUILT_IN: [&str; 6] =
    ["webhook-format", "pacing", "dialect-accounts", "dialect-devices", "dialect-instances", "dialect-organizations"];

fn main() -> Result<()> {
    println!("cargo::rerun-if-env-changed=PORTICO_BUNDLE");
    let folder = match env::var_os("PORTICO_BUNDLE") {
        Some(folder) => PathBuf::from(folder),
        None => default_folder()?,
    };
    let mut list = String::from("pub(super) const COMPONENTS: &[(&str, &[u8])] = &[\n");
    for name in BUILT_IN {
        let path = folder.join(format!("{name}.wasm"));
        println!("cargo::rerun-if-changed={}", path.display());
        if path.exists() {
            writeln!(list, "    ({name:?}, include_bytes!({:?})),", path.display().to_string())?;
        } else {
            println!(
                "cargo::warning=no {name}.wasm in {}: run `make plugins` for a gateway with its plugins",
                folder.display()
            );
        }
    }
    list.push_str("];\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    fs::write(out.join("bundle.rs"), list).context("writing bundle.rs")
}

fn default_folder() -> Result<PathBuf> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").context("cargo sets CARGO_MANIFEST_DIR")?);
    Ok(here.ancestors().nth(2).map_or(here.clone(), Path::to_path_buf).join("target/plugins"))
}
