//! Who a request comes from, when a proxy that we trust brings it.

use std::net::{IpAddr, SocketAddr};

use hyper::HeaderMap;
use ipnet::IpNet;

/// A trusted proxy's header that names no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Garbled;

/// Whether the operator vouches for an address.
pub(super) fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    let address = address.to_canonical();
    trusted.iter().any(|net| net.contains(&address))
}

/// The client's address. Only a trusted peer's `X-Forwarded-For` counts; it is read from the right, because each proxy adds whom it saw,
/// and everything left of the first address that is no trusted proxy is that client's own invention. When all are trusted, the
/// leftmost is the client: a trusted proxy saw it.
pub(super) fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Result<IpAddr, Garbled> {
    let mut client = peer.to_canonical();
    if !is_trusted(client, trusted) {
        return Ok(client);
    }
    let lines: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
    for line in lines.into_iter().rev() {
        for part in line.to_str().map_err(|_| Garbled)?.rsplit(',') {
            client = address(part.trim()).ok_or(Garbled)?;
            if !is_trusted(client, trusted) {
                return Ok(client);
            }
        }
    }
    Ok(client)
}

/// Whether a trusted proxy says that its client came through TLS. The rightmost word is the nearest proxy's own.
pub(super) fn says_https(headers: &HeaderMap) -> bool {
    let last = headers.get_all("x-forwarded-proto").iter().next_back().and_then(|line| line.to_str().ok());
    last.and_then(|line| line.rsplit(',').next()).is_some_and(|word| word.trim().eq_ignore_ascii_case("https"))
}

/// An address, with or without a port, IPv6 with or without brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let parsed = bare.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    parsed.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, lines: &[&str]) -> Result<String, Garbled> {
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"].iter().map(|net| net.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        client(peer.parse().unwrap(), &headers, &trusted).map(|address| address.to_string())
    }

    #[test]
    fn only_a_trusted_proxy_says_who_the_client_is() {
        assert_eq!(seen("203.0.113.9", &["198.51.100.1"]).unwrap(), "203.0.113.9");
        assert_eq!(seen("10.1.1.1", &["198.51.100.1"]).unwrap(), "198.51.100.1");
        assert_eq!(seen("::ffff:10.1.1.1", &["198.51.100.1"]).unwrap(), "198.51.100.1");
        assert_eq!(seen("10.1.1.1", &[]).unwrap(), "10.1.1.1");
    }

    #[test]
    fn what_a_client_invents_stands_left_of_its_own_address_and_does_not_count() {
        assert_eq!(seen("10.1.1.1", &["1.1.1.1, 198.51.100.1, 10.2.2.2"]).unwrap(), "198.51.100.1");
        assert_eq!(seen("10.1.1.1", &["1.1.1.1", "198.51.100.1,10.2.2.2"]).unwrap(), "198.51.100.1");
        assert_eq!(seen("10.1.1.1", &["rubbish, 198.51.100.1"]).unwrap(), "198.51.100.1");
        assert_eq!(seen("fd00::1", &["[2001:db8::7]:443"]).unwrap(), "2001:db8::7");
        assert_eq!(seen("10.1.1.1", &["198.51.100.1:5555"]).unwrap(), "198.51.100.1");
    }

    #[test]
    fn when_all_are_trusted_the_first_is_the_client_and_rubbish_from_a_proxy_is_refused() {
        assert_eq!(seen("10.1.1.1", &["10.3.3.3, 10.2.2.2"]).unwrap(), "10.3.3.3");
        assert_eq!(seen("10.1.1.1", &["198.51.100.1, unknown"]), Err(Garbled));
        assert_eq!(seen("10.1.1.1", &[""]), Err(Garbled));
    }
}
