//! Which plugins serve a path: their routes, matched.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::Method;
use matchit::Router;
use percent_encoding::percent_decode_str;
use portico_core::ports::plugins::{Hook, Mount, PluginInfo, Route};

/// Where every dialect is served.
const OWN: &str = "/d/";
/// Paths that belong to the host, with everything below them.
const NATIVE: [&str; 5] = ["/v1", "/health", "/metrics", "/docs", "/d"];

/// The table of the plugins that are installed now.
#[derive(Default)]
pub(crate) struct Tables(Mutex<Option<Arc<Table>>>);

impl Tables {
    /// The table of these plugins. It is made once for each list.
    pub(super) fn of(&self, plugins: &Arc<[PluginInfo]>) -> Arc<Table> {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*newest {
            Some(table) if Arc::ptr_eq(&table.plugins, plugins) => Arc::clone(table),
            _ => Arc::clone(newest.insert(Arc::new(Table::new(Arc::clone(plugins))))),
        }
    }
}

/// The routes of all plugins.
pub(crate) struct Table {
    plugins: Arc<[PluginInfo]>,
    mounted: Vec<Mounted>,
    /// Every header in which any of the plugins looks for credentials.
    credentials: BTreeSet<String>,
}

/// One plugin's routes.
struct Mounted {
    /// Its place among the plugins.
    plugin: usize,
    mount: Mount,
    /// Routes by path; those of one path differ by method.
    routes: Router<Vec<usize>>,
}

/// What a path leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The path below the mount.
    pub(super) path: String,
    pub(super) matched: Match,
}

/// How well a path fits.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Match {
    /// Routes of these plugins, in the order they are asked. Never empty.
    Routes(Vec<Claim>),
    /// Routes of this plugin, for other methods only.
    OtherMethods { plugin: usize },
    /// No route, but a prefix of this plugin.
    Nothing { plugin: usize },
}

/// One plugin's route that a request fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) plugin: usize,
    pub(super) route: usize,
    /// Decoded, in the order of the path.
    pub(super) params: Vec<String>,
    /// Whether the credentials are ones this plugin reads.
    pub(super) is_known: bool,
}

impl Found {
    /// The plugin that words a refusal.
    pub(super) fn speaker(&self) -> (usize, Option<usize>) {
        match &self.matched {
            Match::Routes(claims) => claims.first().map_or((0, None), |claim| (claim.plugin, Some(claim.route))),
            Match::OtherMethods { plugin } | Match::Nothing { plugin } => (*plugin, None),
        }
    }

    /// The name in metrics and spans: the plugin's and the route's, never what a client wrote.
    pub(super) fn label(&self, table: &Table) -> String {
        let (plugin, route) = self.speaker();
        let name = table.mount(plugin).map_or("", |mount| mount.name.as_str());
        match route.and_then(|route| table.plugins[plugin].routes.get(route)) {
            Some(route) => format!("dialect:{name} {}", route.path),
            None => format!("dialect:{name}"),
        }
    }
}

impl Table {
    fn new(plugins: Arc<[PluginInfo]>) -> Self {
        let mounted = plugins.iter().enumerate().filter_map(|(at, info)| {
            let mount = info.mount.clone().filter(|_| info.hooks.contains(&Hook::HttpHandler))?;
            Some(Mounted { plugin: at, mount, routes: router(info) })
        });
        let routes = plugins.iter().flat_map(|info| info.routes.iter());
        let credentials = routes.flat_map(|route| route.auth.iter().flatten()).cloned().collect();
        Self { mounted: mounted.collect(), credentials, plugins: Arc::clone(&plugins) }
    }

    /// Whether a header carries credentials for some plugin. What is one plugin's credential is hidden from all: clients send it
    /// along with requests that need none, or that another plugin is asked about first.
    pub(super) fn is_credential(&self, header: &str) -> bool {
        self.credentials.contains(header)
    }

    /// The id of a plugin.
    pub(super) fn plugin(&self, at: usize) -> &str {
        &self.plugins[at].id
    }

    /// The mount of a plugin.
    pub(super) fn mount(&self, at: usize) -> Option<&Mount> {
        self.plugins[at].mount.as_ref()
    }

    /// The route of a claim.
    pub(super) fn route(&self, claim: &Claim) -> &Route {
        &self.plugins[claim.plugin].routes[claim.route]
    }

    /// What a request leads to: by name below `/d/`, else all plugins that claim the path at the root.
    pub(super) fn find(&self, method: &Method, path: &str) -> Option<Found> {
        // What answers GET answers HEAD.
        let method = if method == Method::HEAD { &Method::GET } else { method };
        if let Some((name, below)) = own(path) {
            let one = self.mounted.iter().find(|m| m.mount.name == name)?;
            let matched = self.among(std::iter::once(one), method, below);
            return Some(Found {
                path: below.to_owned(),
                matched: matched.unwrap_or(Match::Nothing { plugin: one.plugin }),
            });
        }
        if is_native(path) {
            return None;
        }
        let matched = self.among(self.mounted.iter(), method, path).or_else(|| self.by_prefix(path))?;
        Some(Found { path: path.to_owned(), matched })
    }

    fn among<'t>(&'t self, among: impl Iterator<Item = &'t Mounted>, method: &Method, path: &str) -> Option<Match> {
        let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
        let (mut claims, mut other) = (Vec::new(), None);
        for mounted in among {
            let Ok(found) = mounted.routes.at(path) else { continue };
            let decoded = found.params.iter().map(|(_, text)| percent_decode_str(text).decode_utf8());
            let Ok(params) = decoded.map(|text| text.map(Into::into)).collect::<Result<Vec<String>, _>>() else {
                continue;
            };
            let routes = &self.plugins[mounted.plugin].routes;
            match found.value.iter().find(|at| routes[**at].method == method.as_str()) {
                Some(route) => {
                    claims.push(Claim { plugin: mounted.plugin, route: *route, params, is_known: false });
                }
                None => other = other.or(Some(mounted.plugin)),
            }
        }
        if !claims.is_empty() {
            return Some(Match::Routes(claims));
        }
        other.map(|plugin| Match::OtherMethods { plugin })
    }

    /// The plugin with the longest prefix of a path that has no route.
    fn by_prefix(&self, path: &str) -> Option<Match> {
        let fits = self.mounted.iter().flat_map(|m| m.mount.root.iter().map(move |prefix| (m.plugin, prefix)));
        let (plugin, _) = fits
            .filter(|(_, prefix)| is_below(path, prefix))
            // Of two plugins that want the same prefix, the first by id has it.
            .max_by_key(|(plugin, prefix)| (prefix.trim_end_matches('/').len(), std::cmp::Reverse(*plugin)))?;
        Some(Match::Nothing { plugin })
    }
}

/// Parameters are named by their place, so that routes which call one place by two names fit together.
fn router(info: &PluginInfo) -> Router<Vec<usize>> {
    let mut by_path: Vec<(String, Vec<usize>)> = Vec::new();
    for (at, route) in info.routes.iter().enumerate() {
        let places = route.path.split('/').enumerate();
        let path: Vec<_> =
            places.map(|(i, s)| if s.starts_with('{') { format!("{{p{i}}}") } else { s.to_owned() }).collect();
        let path = path.join("/");
        match by_path.iter_mut().find(|(known, _)| *known == path) {
            Some((_, routes)) => routes.push(at),
            None => by_path.push((path, vec![at])),
        }
    }
    let mut router = Router::new();
    for (path, routes) in by_path {
        if let Err(e) = router.insert(&path, routes) {
            tracing::error!("plugin.id" = info.id, route = path, error = %e, "a plugin's route can't be served");
        }
    }
    router
}

/// The name of a mount, and the path below it.
pub(crate) fn own(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix(OWN)?;
    Some(rest.find('/').map_or((rest, "/"), |at| rest.split_at(at)))
}

/// Whether a path belongs to the host.
pub(crate) fn is_native(path: &str) -> bool {
    NATIVE.iter().any(|native| is_below(path, native))
}

/// Whether `path` is `prefix` or lies below it, by whole segments.
fn is_below(path: &str, prefix: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
