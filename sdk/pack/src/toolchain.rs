//! A compiler for `wasm32-unknown-unknown`: the active toolchain if it has the target, else a compiler that comes with the
//! sources of the standard library (Debian's `rustc-web` and `rust-web-src`), which builds it along.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::PackError;

/// What guests are compiled for. No WASI: a plugin imports the gateway's interfaces and nothing else.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Where a compiler with library sources is looked for when the active one lacks the target.
const SYSTEM_RUSTC: &str = "/usr/bin/rustc";

/// A way to build guests.
#[derive(Debug)]
pub enum Toolchain {
    /// The active toolchain has the target.
    Installed,
    /// This compiler builds the standard library along, from the sources it comes with.
    BuildStd {
        /// The compiler.
        rustc: PathBuf,
        /// LLVM's linker as a generic driver, which such compilers come without.
        linker: PathBuf,
    },
}

impl Toolchain {
    /// The best way there is. `crate_dir` counts because a crate may pin its toolchain.
    pub fn find(crate_dir: &Path) -> Result<Self, PackError> {
        let active = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let installed = ask(crate_dir, &active, &["--print", "target-libdir", "--target", TARGET])
            .is_some_and(|dir| Path::new(&dir).is_dir());
        if installed {
            return Ok(Self::Installed);
        }
        let rustc = [active.as_os_str(), OsStr::new(SYSTEM_RUSTC)]
            .into_iter()
            .find(|rustc| has_library_sources(crate_dir, rustc))
            .ok_or_else(|| {
                PackError::NoToolchain(format!(
                    "the target is not installed, and {SYSTEM_RUSTC} has no library sources"
                ))
            })?;
        let linker = find_linker(crate_dir)
            .ok_or_else(|| PackError::NoToolchain("there is no linker; Debian has it in the package `lld`".into()))?;
        Ok(Self::BuildStd { rustc: rustc.into(), linker })
    }
}

fn has_library_sources(dir: &Path, rustc: &OsStr) -> bool {
    ask(dir, rustc, &["--print", "sysroot"])
        .is_some_and(|sysroot| Path::new(&sysroot).join("lib/rustlib/src/rust/library/std/Cargo.toml").is_file())
}

/// `rust-lld` of the toolchain on the path, else `lld` of the system.
fn find_linker(dir: &Path) -> Option<PathBuf> {
    let rustc = OsStr::new("rustc");
    let shipped = ask(dir, rustc, &["--print", "sysroot"])
        .zip(ask(dir, rustc, &["--print", "host-tuple"]))
        .map(|(sysroot, host)| Path::new(&sysroot).join("lib/rustlib").join(host).join("bin/rust-lld"));
    let path = env::var_os("PATH").unwrap_or_default();
    shipped.into_iter().chain(env::split_paths(&path).map(|dir| dir.join("lld"))).find(|p| p.is_file())
}

/// What a compiler prints, or `None` if it can't be run or says no.
fn ask(dir: &Path, rustc: &OsStr, args: &[&str]) -> Option<String> {
    let mut command = Command::new(rustc);
    command.args(args).current_dir(dir);
    crate::cargo::clean_environment(&mut command);
    let output = command.output().ok().filter(|o| o.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}
