//! Resolves names for the client. The addresses of a name are checked here, right before the connection is made, and the
//! connection is made to no other address.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::address::Guard;

/// Where names are looked up.
#[async_trait]
pub(crate) trait Lookup: Send + Sync {
    /// All addresses of a host name.
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// Asks the operating system.
pub(crate) struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|a| a.ip()).collect())
    }
}

/// Why a name gave no address to connect to. `failure` finds it in the chain of the HTTP client's error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unresolved {
    #[error("the name does not resolve")]
    Lookup(#[source] io::Error),
    #[error("the name has no address")]
    Empty,
    // Shows the name only: its address would tell outsiders about the inside of a network.
    #[error("`{0}` is at a private or reserved address")]
    Denied(String),
}

/// The resolver given to the client.
pub(crate) struct GuardedDns {
    pub(crate) guard: Arc<Guard>,
    pub(crate) lookup: Arc<dyn Lookup>,
}

impl Resolve for GuardedDns {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, lookup) = (self.guard.clone(), self.lookup.clone());
        Box::pin(async move {
            let found = lookup.lookup(name.as_str()).await.map_err(Unresolved::Lookup)?;
            let checked = keep_permitted(&guard, name.as_str(), found)?;
            // Port 0 stands for the port of the URL.
            let addresses: Addrs = Box::new(checked.into_iter().map(|ip| SocketAddr::new(ip, 0)));
            Ok(addresses)
        })
    }
}

fn keep_permitted(guard: &Guard, host: &str, found: Vec<IpAddr>) -> Result<Vec<IpAddr>, Unresolved> {
    if found.is_empty() {
        return Err(Unresolved::Empty);
    }
    let checked: Vec<_> = found.into_iter().filter(|ip| guard.permits(*ip)).collect();
    if checked.is_empty() { Err(Unresolved::Denied(host.to_owned())) } else { Ok(checked) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::NetConfig;

    #[test]
    fn only_permitted_addresses_of_a_name_are_left() {
        let guard = Guard::new(&NetConfig::default());
        let ips = |texts: &[&str]| texts.iter().map(|t| t.parse().expect("an address")).collect::<Vec<IpAddr>>();
        let kept = keep_permitted(&guard, "a.example", ips(&["10.0.0.1", "9.9.9.9", "::1"])).expect("one is left");
        assert_eq!(kept, ips(&["9.9.9.9"]));
        assert!(matches!(keep_permitted(&guard, "a.example", ips(&["10.0.0.1"])), Err(Unresolved::Denied(_))));
        assert!(matches!(keep_permitted(&guard, "a.example", ips(&[])), Err(Unresolved::Empty)));
    }
}
