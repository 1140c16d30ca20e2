//! Shares of a listener's connections: no peer takes all the places.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::peer;
use crate::places::{Place, Places};

/// How often a refusal is told of at most; a peer may try thousands of times a second.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Who has how many connections.
pub(super) struct Shares {
    limit: u32,
    counted: fn(IpAddr) -> Option<IpAddr>,
    places: Places<IpAddr>,
    /// When a refusal was last told.
    told: Option<Instant>,
}

/// The peer has its share already.
#[derive(Debug)]
pub(super) struct Refused;

/// Whose connection one from this address counts as; `None`: nobody's, as a reverse proxy on this machine brings
/// everybody's.
pub(super) fn counted(address: IpAddr) -> Option<IpAddr> {
    (!address.to_canonical().is_loopback()).then(|| peer::network(address))
}

impl Shares {
    /// At most `limit` connections for each of those that `counted` tells apart.
    pub(super) fn new(limit: u32, counted: fn(IpAddr) -> Option<IpAddr>) -> Self {
        Self { limit: limit.max(1), counted, places: Places::default(), told: None }
    }

    /// Takes a place for a connection from `address`; `None` when it needs none.
    pub(super) fn take(&mut self, address: IpAddr) -> Result<Option<Place<IpAddr>>, Refused> {
        let Some(peer) = (self.counted)(address) else { return Ok(None) };
        if let Some(place) = self.places.take(&peer, self.limit) {
            return Ok(Some(place));
        }
        if self.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            self.told = Some(Instant::now());
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
    fn a_peer_has_its_share_and_no_more() {
        let mut shares = Shares::new(2, counted);
        let held = ["2001:db8::1", "2001:db8::2"].map(|text| shares.take(ip(text)).unwrap());
        assert!(shares.take(ip("2001:db8::3")).is_err(), "neighbours in one network are one peer");
        assert!(shares.take(ip("2001:db8:0:1::1")).is_ok());
        drop(held);
        assert!(shares.take(ip("2001:db8::3")).is_ok());
    }

    #[test]
    fn this_machine_is_not_counted() {
        for local in ["127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(counted(ip(local)), None, "{local}");
        }
        assert_eq!(counted(ip("::ffff:192.0.2.1")), Some(ip("192.0.2.1")));
    }
}
