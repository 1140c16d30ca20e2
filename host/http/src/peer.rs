//! The other end of a connection.

use std::net::IpAddr;

use axum::extract::Request;

/// The address a request came from, as an extension that the listener puts there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// The address a request came from; `None` within the process.
pub(crate) fn of(request: &Request) -> Option<IpAddr> {
    request.extensions().get::<Peer>().map(|p| p.0)
}

/// The address under which a peer is counted: an IPv4 address, or the network of 64 bits of an IPv6 address, within which a
/// peer can take any address.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_in_one_ipv6_network_are_one_peer() {
        let at = |text: &str| network(text.parse().unwrap());
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_eq!(at("::ffff:192.0.2.1"), at("192.0.2.1"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
    }
}
