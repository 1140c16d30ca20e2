//! Which plugins take sockets at a path.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use portico_core::ports::plugins::{PluginInfo, SocketEndpoint};

use crate::dialect::{is_native, own};

/// The table of the plugins that are installed now.
#[derive(Default)]
pub(crate) struct Endpoints(Mutex<Option<Arc<Table>>>);

impl Endpoints {
    /// The table of these plugins. It is made once for each list.
    pub(super) fn of(&self, plugins: &Arc<[PluginInfo]>) -> Arc<Table> {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*newest {
            Some(table) if Arc::ptr_eq(&table.plugins, plugins) => Arc::clone(table),
            _ => Arc::clone(newest.insert(Arc::new(Table::new(Arc::clone(plugins))))),
        }
    }
}

/// The endpoints of all plugins.
pub(crate) struct Table {
    plugins: Arc<[PluginInfo]>,
    by_path: HashMap<String, Vec<Claim>>,
}

/// One plugin's endpoint at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) plugin: usize,
    pub(super) endpoint: usize,
}

impl Table {
    fn new(plugins: Arc<[PluginInfo]>) -> Self {
        let mut by_path: HashMap<String, Vec<Claim>> = HashMap::new();
        for (plugin, info) in plugins.iter().enumerate() {
            for (endpoint, place) in info.sockets.iter().enumerate() {
                by_path.entry(place.path.clone()).or_default().push(Claim { plugin, endpoint });
            }
        }
        Self { plugins, by_path }
    }

    /// The plugins that take sockets there, in the order they are asked: at the root all that name the path, below `/d/<name>`
    /// the one of that name.
    pub(super) fn find(&self, path: &str) -> Vec<Claim> {
        let at = |path: &str| {
            let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
            self.by_path.get(path).cloned().unwrap_or_default()
        };
        match own(path) {
            Some((name, below)) => {
                let is_named = |claim: &Claim| {
                    let mount = self.plugins[claim.plugin].mount.as_ref();
                    mount.is_some_and(|mount| mount.name == name)
                };
                at(below).into_iter().filter(is_named).collect()
            }
            None if is_native(path) => Vec::new(),
            None => at(path),
        }
    }

    /// The endpoint of a claim.
    pub(super) fn endpoint(&self, claim: &Claim) -> &SocketEndpoint {
        &self.plugins[claim.plugin].sockets[claim.endpoint]
    }

    /// The id of the plugin.
    pub(super) fn plugin(&self, claim: &Claim) -> &str {
        &self.plugins[claim.plugin].id
    }

    /// What the plugin is called in metrics: the name of its mount, if it has one.
    pub(super) fn name(&self, claim: &Claim) -> &str {
        let info = &self.plugins[claim.plugin];
        info.mount.as_ref().map_or(info.id.as_str(), |mount| mount.name.as_str())
    }

    /// The name in metrics and spans.
    pub(super) fn label(&self, claim: &Claim) -> String {
        format!("dialect:{} socket {}", self.name(claim), self.endpoint(claim).path)
    }
}
