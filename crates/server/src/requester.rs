//! Who sent a request, as far as the connection and its headers say.

use std::net::IpAddr;

/// The client of a request: the origin of the events that it causes. Texts are truncated and have
/// no control characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    address: Option<IpAddr>,
    user_agent: Option<String>,
}

/// The longest user agent that is kept, in characters.
const USER_AGENT_LENGTH: usize = 256;

impl Client {
    /// From the address of the client (of the proxy's header, if the proxy is trusted) and its
    /// user agent.
    pub fn new(address: Option<IpAddr>, user_agent: Option<&str>) -> Self {
        let user_agent = user_agent.map(|text| {
            let shown = text.chars().filter(|character| !character.is_control());
            shown.take(USER_AGENT_LENGTH).collect()
        });
        Self {
            address: address.map(|address| address.to_canonical()),
            user_agent,
        }
    }

    /// The client's address.
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// The name under which its attempts are counted.
    pub fn throttle_key(&self) -> String {
        match self.address {
            Some(IpAddr::V4(address)) => address.to_string(),
            // A host has a whole network of /64.
            Some(IpAddr::V6(address)) => {
                let [a, b, c, d, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
            None => "local".to_owned(),
        }
    }

    /// The network that the client shares its part of a queue with: /24 of IPv4, /48 of IPv6,
    /// which is what one customer gets.
    pub fn network(&self) -> String {
        match self.address {
            Some(IpAddr::V4(address)) => {
                let [a, b, c, _] = address.octets();
                format!("{a}.{b}.{c}.0/24")
            }
            Some(IpAddr::V6(address)) => {
                let [a, b, c, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}::/48")
            }
            None => "local".to_owned(),
        }
    }

    /// About the provider of the client's network: /16 of IPv4, /32 of IPv6.
    pub fn provider(&self) -> String {
        match self.address {
            Some(IpAddr::V4(address)) => {
                let [a, b, ..] = address.octets();
                format!("{a}.{b}.0.0/16")
            }
            Some(IpAddr::V6(address)) => {
                let [a, b, ..] = address.segments();
                format!("{a:x}:{b:x}::/32")
            }
            None => "local provider".to_owned(),
        }
    }

    /// The client's user agent.
    pub fn user_agent(&self) -> Option<&str> {
        self.user_agent.as_deref()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_user_agent_is_bounded_and_has_no_control_characters() {
        let agent = format!("a\r\nb\u{9b}{}", "x".repeat(300));
        let client = Client::new(None, Some(&agent));
        assert_eq!(
            client.user_agent().unwrap(),
            format!("ab{}", "x".repeat(254))
        );
    }

    #[test]
    fn attempts_are_counted_by_host_and_a_host_has_a_network_of_ipv6() {
        let key = |address: &str| Client::new(address.parse().ok(), None).throttle_key();
        assert_eq!(key("192.0.2.1"), "192.0.2.1");
        assert_eq!(key("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(key("2001:db8:1:2:3::4"), key("2001:db8:1:2:ffff::"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
    }

    #[test]
    fn hosts_of_one_network_share_its_part_of_a_queue() {
        let network = |address: &str| Client::new(address.parse().ok(), None).network();
        assert_eq!(network("192.0.2.1"), network("::ffff:192.0.2.200"));
        assert_ne!(network("192.0.2.1"), network("192.0.3.1"));
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_ne!(network("2001:db8:1::1"), network("2001:db8:2::1"));
        let provider = |address: &str| Client::new(address.parse().ok(), None).provider();
        assert_eq!(provider("192.0.2.1"), provider("192.0.3.1"));
        assert_ne!(provider("192.0.2.1"), provider("192.1.2.1"));
        assert_eq!(provider("2001:db8:1::1"), provider("2001:db8:2::1"));
        assert_ne!(provider("2001:db8::1"), provider("2001:db9::1"));
    }
}
