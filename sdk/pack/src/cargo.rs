//! Runs cargo for a guest: what belongs to the crate, and the build itself.
//!
//! Guests are built in a target folder of their own (`target/guest`), so that neither its lock nor its flags meet those of
//! a build of the gateway that may be running this very code.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{Metadata, MetadataCommand, Package};

use crate::PackError;
use crate::toolchain::{TARGET, Toolchain};

/// How much of cargo's output an error carries, in lines.
const OUTPUT_LINES: usize = 40;

/// Guests have little to keep on the stack; the default of 1 MiB would count against their memory limit.
const STACK_BYTES: usize = 256 * 1024;

/// A plugin's crate and what it is made of.
#[derive(Debug)]
pub struct Project {
    /// The package's name.
    pub package: String,
    /// The folder of the workspace.
    pub workspace_dir: PathBuf,
    /// Where its builds go.
    pub target_dir: PathBuf,
    /// Folders of the package and of the local packages it needs.
    pub source_dirs: BTreeSet<PathBuf>,
    library: String,
    has_guest_profile: bool,
}

impl Project {
    /// Looks at the crate in `crate_dir`.
    pub fn of(crate_dir: &Path) -> Result<Self, PackError> {
        let wrong = |why: String| PackError::Manifest { path: crate_dir.join("Cargo.toml"), why };
        let metadata = MetadataCommand::new().current_dir(crate_dir).exec().map_err(|e| wrong(e.to_string()))?;
        let manifest_path = crate_dir.join("Cargo.toml").canonicalize().map_err(PackError::io(crate_dir))?;
        let package = metadata
            .packages
            .iter()
            .find(|p| p.manifest_path.as_std_path() == manifest_path)
            .ok_or_else(|| wrong("cargo knows no package here".into()))?;
        let library = package
            .targets
            .iter()
            .find(|t| t.is_cdylib())
            .map(|t| t.name.replace('-', "_"))
            .ok_or_else(|| wrong("a plugin needs `[lib] crate-type = [\"cdylib\", \"rlib\"]`".into()))?;
        let workspace_dir = metadata.workspace_root.clone().into_std_path_buf();
        let root = workspace_dir.join("Cargo.toml");
        let root_text = std::fs::read_to_string(&root).map_err(PackError::io(&root))?;
        Ok(Self {
            package: package.name.to_string(),
            target_dir: metadata.target_directory.clone().into_std_path_buf(),
            source_dirs: local_sources(&metadata, package),
            has_guest_profile: root_text.lines().any(|line| line.trim() == "[profile.guest]"),
            workspace_dir,
            library,
        })
    }
}

fn local_sources(metadata: &Metadata, package: &Package) -> BTreeSet<PathBuf> {
    let by_name = |name: &str| metadata.packages.iter().find(|p| p.source.is_none() && p.name.as_str() == name);
    let mut todo = vec![package];
    let mut dirs = BTreeSet::new();
    while let Some(package) = todo.pop() {
        let dir = package.manifest_path.parent().map(|dir| dir.as_std_path().to_owned());
        if dir.is_some_and(|dir| dirs.insert(dir)) {
            todo.extend(package.dependencies.iter().filter(|d| d.path.is_some()).filter_map(|d| by_name(&d.name)));
        }
    }
    dirs
}

/// Builds the core module and gives its path.
pub fn build(project: &Project, toolchain: &Toolchain) -> Result<PathBuf, PackError> {
    let guest_dir = project.target_dir.join("guest");
    let profile = if project.has_guest_profile { "guest" } else { "release" };
    let mut command = Command::new("cargo");
    clean_environment(&mut command);
    command
        .current_dir(&project.workspace_dir)
        .args(["build", "--package", &project.package, "--lib", "--target", TARGET, "--profile", profile])
        .arg("--target-dir")
        .arg(&guest_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags(project).join("\u{1f}"));
    if let Toolchain::BuildStd { rustc, linker } = toolchain {
        // Building the standard library is an unstable feature of cargo; the variable admits it on a stable compiler.
        command
            .env("RUSTC", rustc)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker)
            .arg("-Zbuild-std=std,panic_abort");
    }
    let output = command.output().map_err(PackError::io(Path::new("cargo")))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = text.lines().collect();
        let output = lines[lines.len().saturating_sub(OUTPUT_LINES)..].join("\n");
        return Err(PackError::Cargo { package: project.package.clone(), output });
    }
    Ok(guest_dir.join(TARGET).join(profile).join(format!("{}.wasm", project.library)))
}

/// A small stack, and no path of this machine in panic messages.
fn rustflags(project: &Project) -> Vec<String> {
    let mut flags = vec![
        format!("-Clink-arg=-zstack-size={STACK_BYTES}"),
        format!("--remap-path-prefix={}=.", project.workspace_dir.display()),
    ];
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    if let Some(home) = home {
        flags.push(format!("--remap-path-prefix={}=cargo", home.display()));
    }
    flags
}

/// Drops what a cargo above this process (`cargo test`, `cargo clippy`) tells its children: it is about the gateway's own
/// build, and another compiler would choke on it.
pub(crate) fn clean_environment(command: &mut Command) {
    for name in [
        "LD_LIBRARY_PATH",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_TARGET_DIR",
        "CARGO_BUILD_TARGET",
        "__CARGO_FIX_YOLO",
    ] {
        command.env_remove(name);
    }
}
