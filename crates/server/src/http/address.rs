//! Where a request came from, and under which name the server was asked.

use std::net::{IpAddr, SocketAddr};

use hyper::HeaderMap;

use crate::config::Network;

/// The header to which proxies append the address that a request came from.
pub const FORWARDED_FOR: &str = "x-forwarded-for";

/// The address of the client: that of the connection, unless a trusted proxy made it. Of the
/// addresses that proxies added to `X-Forwarded-For`, the last one that is no trusted proxy counts;
/// those before it are whatever the client made up.
pub fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    if !is_trusted(client) {
        return client;
    }
    let values = headers.get_all(FORWARDED_FOR).iter();
    // Of bytes: what the client made up may be no text, and says nothing about the rest.
    let hops = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    for hop in hops.rev() {
        let text = std::str::from_utf8(hop).ok();
        let Some(address) = text.and_then(|text| text.trim().parse::<IpAddr>().ok()) else {
            break;
        };
        client = address.to_canonical();
        if !is_trusted(client) {
            break;
        }
    }
    client
}

/// The host in an origin: a name, or an address without the brackets of IPv6.
pub fn host_of(origin: &str) -> &str {
    let host = origin.split_once("://").map_or(origin, |(_, host)| host);
    match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((address, _)) => address,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    }
}

/// Whether `host`, a `Host` header, names this server. Another name would come from DNS rebinding
/// or from a poisoned link.
pub fn is_own_host(host: &str, origins: &[String]) -> bool {
    origins.iter().any(|origin| {
        let (scheme, own) = origin.split_once("://").unwrap_or(("", origin));
        let default = if scheme == "https" { ":443" } else { ":80" };
        host.eq_ignore_ascii_case(own)
            || host
                .strip_suffix(default)
                .is_some_and(|host| host.eq_ignore_ascii_case(own))
    })
}

/// Whether a host is an address and no name, which a foreign name server could lead here.
pub fn is_address(host: &str) -> bool {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    host.parse::<SocketAddr>().is_ok() || bare.unwrap_or(host).parse::<IpAddr>().is_ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_no_name() {
        for host in ["127.0.0.1", "127.0.0.1:8734", "[::1]", "[::1]:8734", "::1"] {
            assert!(is_address(host), "{host}");
        }
        for host in ["", "localhost", "evil.example", "127.0.0.1.evil.example:80"] {
            assert!(!is_address(host), "{host}");
        }
    }

    fn client_of(peer: &str, forwarded: &[&[u8]], trusted: &[Network]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            let value = hyper::header::HeaderValue::from_bytes(value).unwrap();
            headers.append(FORWARDED_FOR, value);
        }
        client(peer.parse().unwrap(), &headers, trusted).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_can_say_where_a_request_came_from() {
        let trusted: Vec<Network> = vec!["10.0.0.0/8".parse().unwrap()];
        let client = |peer: &str, forwarded: &[&str]| {
            let values: Vec<&[u8]> = forwarded.iter().map(|value| value.as_bytes()).collect();
            client_of(peer, &values, &trusted)
        };
        assert_eq!(client("203.0.113.1", &["192.0.2.9"]), "203.0.113.1");
        assert_eq!(client("10.0.0.1", &["192.0.2.9"]), "192.0.2.9");
        assert_eq!(client("::ffff:10.0.0.1", &["192.0.2.9"]), "192.0.2.9");
        assert_eq!(
            client("10.0.0.1", &["1.1.1.1, 192.0.2.9, 10.0.0.2"]),
            "192.0.2.9"
        );
        assert_eq!(client("10.0.0.1", &["1.1.1.1", "192.0.2.9"]), "192.0.2.9");
        assert_eq!(client("10.0.0.1", &["192.0.2.9, unknown"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn a_byte_that_is_no_ascii_does_not_hide_the_client_from_its_proxy() {
        let trusted: Vec<Network> = vec!["10.0.0.0/8".parse().unwrap()];
        for forwarded in [
            [b"\xff, 192.0.2.9".as_slice()].as_slice(),
            &[b"\xff", b"192.0.2.9"],
            &["\u{e9}, 192.0.2.9".as_bytes()],
        ] {
            assert_eq!(client_of("10.0.0.1", forwarded, &trusted), "192.0.2.9");
        }
        let unreadable: &[&[u8]] = &[b"192.0.2.9, \xff"];
        assert_eq!(client_of("10.0.0.1", unreadable, &trusted), "10.0.0.1");
    }

    #[test]
    fn the_host_of_an_origin_has_neither_port_nor_brackets() {
        for (origin, host) in [
            ("https://login.example.com", "login.example.com"),
            ("https://login.example.com:8443", "login.example.com"),
            ("http://127.0.0.1:8734", "127.0.0.1"),
            ("http://[::1]:8734", "::1"),
            ("https://[2001:db8::1]", "2001:db8::1"),
        ] {
            assert_eq!(host_of(origin), host);
        }
    }

    #[test]
    fn a_host_header_must_name_this_server() {
        let own = [
            "https://login.example.com".to_owned(),
            "http://127.0.0.1:8734".to_owned(),
        ];
        for host in [
            "login.example.com",
            "LOGIN.example.com:443",
            "127.0.0.1:8734",
        ] {
            assert!(is_own_host(host, &own), "{host}");
        }
        for host in [
            "evil.example",
            "login.example.com:80",
            "127.0.0.1",
            "",
            "login.example.com.",
        ] {
            assert!(!is_own_host(host, &own), "{host}");
        }
    }
}
