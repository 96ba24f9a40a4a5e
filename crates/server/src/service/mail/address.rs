//! The address of the mail server that takes mails.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// How the connection to a mail server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpTls {
    /// `smtps`: TLS from the first byte (RFC 8314), port 465.
    Implicit,
    /// `smtp`: STARTTLS, without which nothing is sent, port 587.
    StartTls,
    /// `smtp-plain`: no encryption, port 25. Only to a mail server on this machine.
    None,
}

/// A mail server: `smtps://USER@HOST`, `smtp://USER@HOST:PORT` or `smtp-plain://localhost`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpAddress {
    /// How the connection is encrypted.
    pub tls: SmtpTls,
    /// The user to sign in as; without one, nobody signs in.
    pub user: Option<String>,
    /// The host name or IP address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

const SCHEMES: [(&str, SmtpTls, u16); 3] = [
    ("smtps", SmtpTls::Implicit, 465),
    ("smtp", SmtpTls::StartTls, 587),
    ("smtp-plain", SmtpTls::None, 25),
];

impl FromStr for SmtpAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        let found = SCHEMES.iter().find(|(name, ..)| *name == scheme);
        let (_, tls, port) = *found.ok_or("smtps://USER@HOST, smtp:// or smtp-plain://")?;
        // A user is often an email itself.
        let (user, host) = match rest.rsplit_once('@') {
            Some((user, host)) => (Some(user.to_owned()), host),
            None => (None, rest),
        };
        if user.as_ref().is_some_and(|user| user.contains(':')) {
            return Err("an address without a password; put it into NIGHTLATCH_SMTP_PASSWORD");
        }
        let (host, port) = split_port(host, port).ok_or("a host, with a port if need be")?;
        if user.as_deref() == Some("") {
            return Err("a user before the @");
        }
        if tls == SmtpTls::None && !is_this_machine(&host) {
            return Err("smtps:// or smtp:// for a mail server on another machine");
        }
        Ok(Self {
            tls,
            user,
            host,
            port,
        })
    }
}

impl fmt::Display for SmtpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = SCHEMES.iter().find(|(_, tls, _)| *tls == self.tls);
        let scheme = scheme.map_or("", |(name, ..)| name);
        write!(f, "{scheme}://")?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

fn split_port(text: &str, default: u16) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (
                host,
                rest.strip_prefix(':')
                    .or_else(|| rest.is_empty().then_some(""))?,
            )
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    if host.is_empty() || !host.chars().all(is_host) {
        return None;
    }
    let port = match port {
        "" => default,
        port => port.parse().ok().filter(|port| *port > 0)?,
    };
    Some((host.to_owned(), port))
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_smtp_address_is_read_with_its_defaults() {
        for (text, shown) in [
            ("smtps://mail.example.com", "smtps://mail.example.com:465"),
            (
                "smtp://login@example.com@mail.example.com",
                "smtp://login@example.com@mail.example.com:587",
            ),
            ("smtp://mail.example.com:25", "smtp://mail.example.com:25"),
            ("smtp-plain://localhost", "smtp-plain://localhost:25"),
            ("smtp-plain://[::1]:2525", "smtp-plain://[::1]:2525"),
        ] {
            let address: SmtpAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), shown);
            assert_eq!(shown.parse(), Ok(address));
        }
    }

    #[test]
    fn an_smtp_address_without_tls_leads_to_this_machine_only() {
        for text in ["mail.example.com", "localhost.example.com", "192.0.2.1"] {
            assert!(
                format!("smtp-plain://{text}")
                    .parse::<SmtpAddress>()
                    .is_err()
            );
            assert!(format!("smtps://{text}").parse::<SmtpAddress>().is_ok());
        }
    }

    #[test]
    fn an_smtp_address_with_a_password_or_without_a_host_is_refused() {
        for text in [
            "smtps://login:secret@mail.example.com",
            "smtps://@mail.example.com",
            "smtps://",
            "smtps://mail.example.com:0",
            "smtps://mail.example.com:x",
            "smtps://mail.example.com/path",
            "smtps://[mail]",
            "http://mail.example.com",
            "mail.example.com",
        ] {
            assert!(text.parse::<SmtpAddress>().is_err(), "{text}");
        }
    }
}
