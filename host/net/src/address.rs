//! Which addresses the gateway talks to: public ones, and those the operator allowed.
//!
//! The rule is written from the other end for IPv6: what is not global unicast is refused, so that ranges assigned later are
//! refused until somebody looks at them. Ranges are those of the IANA special-purpose address registries.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::config::NetConfig;

/// IPv4 networks that are not the public internet: network and prefix length.
const V4_BLOCKED: [([u8; 4], u8); 16] = [
    ([0, 0, 0, 0], 8),        // "this" network, unspecified
    ([10, 0, 0, 0], 8),       // private
    ([100, 64, 0, 0], 10),    // carrier-grade NAT; 100.100.100.200 is one cloud's metadata
    ([127, 0, 0, 0], 8),      // loopback
    ([168, 63, 129, 16], 32), // a cloud's metadata under a public address
    ([169, 254, 0, 0], 16),   // link-local; 169.254.169.254 is most clouds' metadata
    ([172, 16, 0, 0], 12),    // private
    ([192, 0, 0, 0], 24),     // IETF protocol assignments
    ([192, 0, 2, 0], 24),     // documentation
    ([192, 88, 99, 0], 24),   // former 6to4 relays
    ([192, 168, 0, 0], 16),   // private
    ([198, 18, 0, 0], 15),    // benchmarks
    ([198, 51, 100, 0], 24),  // documentation
    ([203, 0, 113, 0], 24),   // documentation
    ([224, 0, 0, 0], 4),      // multicast
    ([240, 0, 0, 0], 4),      // reserved, broadcast
];

/// Decides over addresses.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    allow: Vec<IpNet>,
    loopback: bool,
}

impl Guard {
    pub(crate) fn new(config: &NetConfig) -> Self {
        Self { allow: config.allow.clone(), loopback: config.allow_loopback }
    }

    /// Whether the gateway may talk to this address.
    pub(crate) fn permits(&self, address: IpAddr) -> bool {
        let inner = carried(address);
        let allowed = |a: &IpAddr| self.allow.iter().any(|net| net.contains(a)) || (self.loopback && a.is_loopback());
        is_public(inner) || allowed(&inner) || allowed(&address)
    }
}

/// The IPv4 address within an IPv6 one that stands for it, else the address itself: mapped, compatible, NAT64 and 6to4.
fn carried(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let s = v6.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match s {
        _ if v6.is_loopback() || v6.is_unspecified() => address,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] => v4(high, low),
        [0, 0, 0, 0, 0xffff, 0, high, low] => v4(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        _ => address,
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !V4_BLOCKED.iter().any(|(net, prefix)| {
            let mask = u32::MAX << (32 - u32::from(*prefix));
            u32::from(v4) & mask == u32::from(Ipv4Addr::from(*net))
        }),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    let [a, b, ..] = v6.segments();
    let global_unicast = a & 0xe000 == 0x2000;
    let protocol_assignments = a == 0x2001 && b < 0x0200; // 2001::/23: Teredo, ORCHID and the like
    let documentation = (a == 0x2001 && b == 0x0db8) || (a == 0x3fff && b < 0x1000);
    global_unicast && !protocol_assignments && !documentation
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(allow: &[&str], allow_loopback: bool) -> Guard {
        let allow = allow.iter().map(|n| n.parse().expect("a network")).collect();
        Guard::new(&NetConfig { allow, allow_loopback, ..NetConfig::default() })
    }

    fn permits(guard: &Guard, address: &str) -> bool {
        guard.permits(address.parse().expect("an address"))
    }

    #[test]
    fn private_and_reserved_addresses_are_refused() {
        let strict = guard(&[], false);
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "168.63.129.16",
            "169.254.169.254",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.168.1.1",
            "198.19.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fec0::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001:db8::1",
            "3fff::1",
            "2001::1",
            "100::1",
            "64:ff9b:1::1",
        ] {
            assert!(!permits(&strict, address), "{address}");
        }
    }

    #[test]
    fn an_address_in_another_spelling_is_the_same_address() {
        let strict = guard(&[], false);
        for address in
            ["::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::10.0.0.1", "2002:a00:1::1", "::ffff:0:169.254.169.254"]
        {
            assert!(!permits(&strict, address), "{address}");
        }
        assert!(permits(&strict, "::ffff:9.9.9.9"));
        assert!(permits(&guard(&[], true), "::ffff:127.0.0.1"));
    }

    #[test]
    fn public_addresses_are_fine() {
        let strict = guard(&[], false);
        for address in ["1.1.1.1", "9.9.9.9", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00::1", "2001:4860::1"]
        {
            assert!(permits(&strict, address), "{address}");
        }
    }

    #[test]
    fn what_the_operator_allows_is_allowed_and_nothing_beside_it() {
        let lan = guard(&["10.20.0.0/16", "fd12::/16"], false);
        assert!(permits(&lan, "10.20.3.4"));
        assert!(permits(&lan, "::ffff:10.20.3.4"));
        assert!(permits(&lan, "fd12::5"));
        assert!(!permits(&lan, "10.21.0.1"));
        assert!(!permits(&lan, "127.0.0.1"));
        let sandbox = guard(&[], true);
        assert!(permits(&sandbox, "127.8.9.10") && permits(&sandbox, "::1"));
        assert!(!permits(&sandbox, "10.0.0.1"));
    }
}
