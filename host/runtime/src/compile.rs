//! Compiling components, in a child process or here.
//!
//! Compilers are large programs and strangers' components their input: a panic, an endless loop or a memory bomb in there is
//! taken as a fact of life. In the child it costs a refused plugin and nothing else.

use std::io::{Read, Write};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use crate::config::Compiler;
use crate::engine;
use crate::limits::Limits;

/// CPU time of a compiling child, in seconds.
const CHILD_CPU_SECONDS: u64 = 60;
/// Address space of a compiling child. Far more than it uses: thread stacks and allocator arenas count in full.
const CHILD_ADDRESS_BYTES: u64 = 4 << 30;
/// Bytes a child reads at most; the limit on components is checked long before.
const CHILD_INPUT_BYTES_MAX: u64 = 64 << 20;
/// Bytes of a child's complaint that are kept.
const COMPLAINT_BYTES_MAX: u64 = 2_000;

/// Why a component was not compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The compiler refused it.
    #[error("{0}")]
    Refused(String),
    /// It took too long.
    #[error("it took longer than {0:?}")]
    TooLong(Duration),
    /// What came out is too large.
    #[error("the machine code is larger than {0} bytes")]
    TooLarge(usize),
    /// The child could not be run, or broke off.
    #[error("the compiling process failed: {0}")]
    Child(String),
}

/// The child's side: a component on `stdin`, machine code on `stdout`. For the subcommand that [`Compiler::Child`] names.
/// The caller prints the error to stderr and exits with a status other than 0.
pub fn compile_main(stdin: impl Read, mut stdout: impl Write) -> Result<(), CompileError> {
    let child = |e: std::io::Error| CompileError::Child(e.to_string());
    limit_self().map_err(child)?;
    let mut component = Vec::new();
    stdin.take(CHILD_INPUT_BYTES_MAX).read_to_end(&mut component).map_err(child)?;
    stdout.write_all(&compile_here(&component)?).map_err(child)?;
    stdout.flush().map_err(child)
}

#[cfg(unix)]
fn limit_self() -> std::io::Result<()> {
    use nix::sys::resource::{Resource, setrlimit};
    setrlimit(Resource::RLIMIT_CPU, CHILD_CPU_SECONDS, CHILD_CPU_SECONDS)?;
    setrlimit(Resource::RLIMIT_AS, CHILD_ADDRESS_BYTES, CHILD_ADDRESS_BYTES)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    Ok(())
}

#[cfg(not(unix))]
fn limit_self() -> std::io::Result<()> {
    Ok(())
}

fn compile_here(component: &[u8]) -> Result<Vec<u8>, CompileError> {
    engine::compiling()
        .and_then(|engine| engine.precompile_component(component))
        .map_err(|e| CompileError::Refused(format!("{e:#}")))
}

/// Compiles as configured.
pub(crate) async fn compile(compiler: &Compiler, component: Vec<u8>, limits: &Limits) -> Result<Vec<u8>, CompileError> {
    let (bytes_max, timeout) = (limits.compiled_bytes, limits.compile_timeout);
    let compiled = match compiler {
        Compiler::InProcess => tokio::task::spawn_blocking(move || compile_here(&component))
            .await
            .map_err(|e| CompileError::Child(e.to_string()))??,
        Compiler::Child { program, args } => {
            let mut command = Command::new(program);
            command.args(args);
            tokio::time::timeout(timeout, run_child(command, component, bytes_max))
                .await
                .map_err(|_| CompileError::TooLong(timeout))??
        }
    };
    if compiled.len() > bytes_max {
        return Err(CompileError::TooLarge(bytes_max));
    }
    Ok(compiled)
}

/// Feeds the child, drains it and waits for it, all at once. It is killed when this future is dropped.
async fn run_child(mut command: Command, component: Vec<u8>, bytes_max: usize) -> Result<Vec<u8>, CompileError> {
    let failed = |e: std::io::Error| CompileError::Child(e.to_string());
    let mut child = command
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let (Some(mut stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(CompileError::Child("it has no pipes".into()));
    };
    let feed = async move {
        // A child that ends early closes the pipe; its status tells why.
        let _ = stdin.write_all(&component).await;
        drop(stdin);
        Ok(())
    };
    let read = async move {
        let mut compiled = Vec::new();
        stdout.take(bytes_max as u64 + 1).read_to_end(&mut compiled).await.map_err(failed)?;
        if compiled.len() > bytes_max {
            return Err(CompileError::TooLarge(bytes_max));
        }
        Ok(compiled)
    };
    let listen = async move {
        let mut complaint = Vec::new();
        stderr.take(COMPLAINT_BYTES_MAX).read_to_end(&mut complaint).await.map_err(failed)?;
        Ok(complaint)
    };
    let ((), compiled, complaint) = tokio::try_join!(feed, read, listen)?;
    let status = child.wait().await.map_err(failed)?;
    if status.success() {
        return Ok(compiled);
    }
    let complaint = String::from_utf8_lossy(&complaint).trim().to_owned();
    Err(CompileError::Child(if complaint.is_empty() { status.to_string() } else { complaint }))
}
