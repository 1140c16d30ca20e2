//! A limit on the connections of each peer, so that none takes all of the listener's.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::peer;
use crate::quota::{Permit, Quota};

/// Minimum time between two log lines about refusals; a peer may try thousands of times a second.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// How many connections each peer has.
pub(super) struct PeerQuota {
    limit: u32,
    counted: fn(IpAddr) -> Option<IpAddr>,
    open: Quota<IpAddr>,
    /// When a refusal was last logged.
    logged: Option<Instant>,
}

/// The peer has as many connections as it may.
#[derive(Debug)]
pub(super) struct Refused;

/// The peer to which connections from this address count; `None` for this machine itself, where a reverse proxy brings the
/// connections of everybody.
pub(super) fn counted(address: IpAddr) -> Option<IpAddr> {
    (!address.to_canonical().is_loopback()).then(|| peer::network(address))
}

impl PeerQuota {
    /// At most `limit` connections for each of those that `counted` tells apart.
    pub(super) fn new(limit: u32, counted: fn(IpAddr) -> Option<IpAddr>) -> Self {
        Self { limit: limit.max(1), counted, open: Quota::default(), logged: None }
    }

    /// Counts one more connection from `address`, or refuses it; `None` for an address that is not counted.
    pub(super) fn acquire(&mut self, address: IpAddr) -> Result<Option<Permit<IpAddr>>, Refused> {
        let Some(peer) = (self.counted)(address) else { return Ok(None) };
        if let Some(permit) = self.open.acquire(&peer, self.limit) {
            return Ok(Some(permit));
        }
        if self.logged.is_none_or(|at| at.elapsed() >= LOG_EVERY) {
            self.logged = Some(Instant::now());
            tracing::warn!(%peer, limit = self.limit, "further connections of one peer are refused");
        }
        Err(Refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_peer_gets_only_so_many_connections() {
        let mut peers = PeerQuota::new(2, counted);
        let held = ["2001:db8::1", "2001:db8::2"].map(|text| peers.acquire(ip(text)).unwrap());
        assert!(peers.acquire(ip("2001:db8::3")).is_err(), "neighbours in one network are one peer");
        assert!(peers.acquire(ip("2001:db8:0:1::1")).is_ok());
        drop(held);
        assert!(peers.acquire(ip("2001:db8::3")).is_ok());
    }

    #[test]
    fn this_machine_is_not_counted() {
        for local in ["127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(counted(ip(local)), None, "{local}");
        }
        assert_eq!(counted(ip("::ffff:192.0.2.1")), Some(ip("192.0.2.1")));
    }
}
