//! What the runtime is started with.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use portico_core::ports::{Clock, Rng};
use serde_json::Value;

use crate::limits::Limits;

/// Settings of the runtime.
pub struct RuntimeConfig {
    /// The time, as guests are told it.
    pub clock: Arc<dyn Clock>,
    /// Randomness for guests and call ids.
    pub rng: Arc<dyn Rng>,
    /// Where compiled components are kept (`<dir>/compiled/…`); `None` compiles at every start. Only the gateway may be able
    /// to write there: what lies in it is run as machine code.
    pub cache_dir: Option<PathBuf>,
    /// How components are compiled.
    pub compiler: Compiler,
    /// Every limit.
    pub limits: Limits,
}

impl RuntimeConfig {
    /// Default limits, no cache, compiling in this process.
    pub fn new(clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        Self { clock, rng, cache_dir: None, compiler: Compiler::InProcess, limits: Limits::default() }
    }
}

/// How components are compiled.
#[derive(Clone, Debug)]
pub enum Compiler {
    /// By a child process that calls [`crate::compile_main`]: a component that makes the compiler panic, hang or eat memory
    /// harms nothing else. For components of strangers.
    Child {
        /// The program, usually the running one.
        program: PathBuf,
        /// Its arguments, usually `plugin-compile`.
        args: Vec<OsString>,
    },
    /// In this process. For tests and for checking one's own plugin.
    InProcess,
}

/// A plugin to run.
#[derive(Clone, Debug)]
pub struct Source {
    /// Where the component is.
    pub component: ComponentBytes,
    /// What the guest is handed as its settings: a JSON object.
    pub settings: Value,
}

/// Where a component is.
#[derive(Clone)]
pub enum ComponentBytes {
    /// In a file.
    File(PathBuf),
    /// In memory, such as one that is part of the binary; with a name for messages.
    Memory(&'static str, Arc<[u8]>),
}

impl std::fmt::Debug for ComponentBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Memory(name, bytes) => write!(f, "{name} ({} bytes)", bytes.len()),
        }
    }
}

impl Source {
    /// A component in a file, without settings.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { component: ComponentBytes::File(path.into()), settings: Value::Object(Default::default()) }
    }

    /// A component in memory, without settings.
    pub fn memory(name: &'static str, bytes: impl Into<Arc<[u8]>>) -> Self {
        Self { component: ComponentBytes::Memory(name, bytes.into()), settings: Value::Object(Default::default()) }
    }

    /// The same with settings.
    #[must_use]
    pub fn with_settings(mut self, settings: Value) -> Self {
        self.settings = settings;
        self
    }
}
