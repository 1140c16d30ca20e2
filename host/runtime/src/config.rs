//! What the runtime is started with.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use portico_core::directory::Directory;
use portico_core::plugin::Origin;
use portico_core::ports::plugins::PluginKv;
use portico_core::ports::{Clock, Rng};

use crate::limits::Limits;

/// Settings of the runtime.
pub struct RuntimeConfig {
    /// The time, as guests are told it.
    pub clock: Arc<dyn Clock>,
    /// Randomness for guests and call ids.
    pub rng: Arc<dyn Rng>,
    /// Which plugins are on for whom.
    pub directory: Arc<Directory>,
    /// Where plugins keep values; `None`: nowhere.
    pub kv: Option<Arc<dyn PluginKv>>,
    /// Where components (`<dir>/components/…`) and their compiled forms (`<dir>/compiled/…`) are kept; `None` compiles at every
    /// start and keeps nothing that is installed. Only the gateway may be able to write there: what lies in it is run as machine
    /// code.
    pub cache_dir: Option<PathBuf>,
    /// Where compiled forms are kept instead, so that gateways of one user share them; one that others may write to is not used.
    pub compiled_dir: Option<PathBuf>,
    /// How components are compiled.
    pub compiler: Compiler,
    /// Every limit.
    pub limits: Limits,
    /// Where clients reach the gateway, without a slash at the end: formats make links of it.
    pub base_url: String,
}

impl RuntimeConfig {
    /// Default limits, no cache, compiling in this process.
    pub fn new(clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        Self {
            clock,
            rng,
            directory: Arc::default(),
            kv: None,
            cache_dir: None,
            compiled_dir: None,
            compiler: Compiler::InProcess,
            limits: Limits::default(),
            base_url: "http://127.0.0.1:3000".to_owned(),
        }
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

/// A plugin to start with.
#[derive(Clone, Debug)]
pub struct Source {
    /// Where the component is.
    pub component: ComponentBytes,
    /// Where it came from.
    pub origin: Origin,
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
    /// A component in a file of the plugin folder.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { component: ComponentBytes::File(path.into()), origin: Origin::Folder }
    }

    /// A component in memory.
    pub fn memory(name: &'static str, bytes: impl Into<Arc<[u8]>>) -> Self {
        Self { component: ComponentBytes::Memory(name, bytes.into()), origin: Origin::BuiltIn }
    }
}
