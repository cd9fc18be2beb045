//! Which addresses a webhook may have. Whoever makes one must not reach through the hub what only the hub reaches.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Networks that no public service is in (IANA's registries of special-purpose addresses, 2026-11).
const PRIVATE_V4: [(Ipv4Addr, u8); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];
/// Of IPv6 only 2000::/3 is in use; in it are these. 2002::/16 and 2001::/32 hold IPv4 addresses.
const PRIVATE_V6: [(Ipv6Addr, u8); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Looks names up, and lets only those addresses through that may be reached. What it lets through is what the connection is made to, so a
/// name that is looked up again with another answer changes nothing.
#[derive(Debug, Clone)]
pub struct Guard {
    allowed: Arc<[IpNet]>,
}

impl Guard {
    /// One that also lets these networks through.
    #[must_use]
    pub fn new(allowed: &[IpNet]) -> Self {
        Self { allowed: allowed.into() }
    }

    /// Whether a connection to this address may be made.
    #[must_use]
    pub fn lets(&self, address: IpAddr) -> bool {
        // An IPv4 address that is written as IPv6 is the IPv4 address.
        let address = address.to_canonical();
        is_public(address) || self.allowed.iter().any(|network| network.contains(&address))
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !PRIVATE_V4.iter().any(|(network, bits)| {
            let mask = u32::MAX << (32 - bits);
            address.to_bits() & mask == network.to_bits()
        }),
        IpAddr::V6(address) => {
            let within = |network: Ipv6Addr, bits: u8| address.to_bits() & (u128::MAX << (128 - bits)) == network.to_bits();
            within(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3)
                && !PRIVATE_V6.iter().any(|(network, bits)| within(*network, *bits))
        }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let public: Vec<_> = found.into_iter().filter(|found| guard.lets(found.ip())).collect();
            if public.is_empty() {
                return Err(REFUSED.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// What is told of an address that may not be reached.
pub(super) const REFUSED: &str = "its address is private; webhooks.allow_private lets single networks through";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_only_the_hub_reaches_are_refused() {
        let guard = Guard::new(&[]);
        for private in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "fc00::1",
            "fd00::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!guard.lets(private.parse().unwrap()), "{private}");
        }
        for public in [
            "8.8.8.8",
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.167.1.1",
            "2606:4700::1",
            "2a00::1",
        ] {
            assert!(guard.lets(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn a_network_that_is_allowed_lets_through_what_is_in_it_and_nothing_else() {
        let guard = Guard::new(&["10.1.0.0/16".parse().unwrap(), "fd00::/64".parse().unwrap()]);
        for (address, lets) in
            [("10.1.2.3", true), ("::ffff:10.1.2.3", true), ("10.2.0.1", false), ("fd00::1", true), ("fd01::1", false)]
        {
            assert_eq!(guard.lets(address.parse().unwrap()), lets, "{address}");
        }
    }

    #[tokio::test]
    async fn a_name_of_the_machine_itself_is_refused_after_it_was_looked_up() {
        let refused = Guard::new(&[]).resolve("localhost".parse().unwrap()).await.err().unwrap();
        assert_eq!(refused.to_string(), REFUSED);
        assert!(Guard::new(&["127.0.0.0/8".parse().unwrap()]).resolve("localhost".parse().unwrap()).await.is_ok());
    }
}
