//! The server's configuration: a TOML file in which every key is optional and unknown keys are
//! errors, completed by flags and, for secrets only, by the environment.
//!
//! A key is an entry in the table in `config/keys.rs` and a field of [`Config`]. Reading, checking
//! and showing use that table.

mod keys;
mod network;
mod read;
mod secrets;
mod values;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use nightlatch_core::crypto::kdf::Argon2Params;

pub use crate::service::PasswordPolicy;
use crate::service::Timeouts;
use crate::service::mail::SmtpAddress;
use crate::service::retention::Retention;
pub use keys::{effective, without_password};
pub use network::Network;
pub use read::{ConfigError, ConfigProblem, load};
pub use secrets::{SecretError, Secrets, check_private};

/// Where the server listens unless told otherwise.
const LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8734);

/// How long a token lives unless told otherwise.
const TOKEN_LIFE: Duration = Duration::from_secs(15 * 60);

/// Whether registering says that an email already has an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enumeration {
    /// It answers 409.
    Tell,
    /// It answers 202 for every email and sends a mail.
    Hide,
}

/// Whether `X-User-ID` identifies a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityHeader {
    /// It identifies guests, and must match any other identity.
    Guests,
    /// Requests that carry it are refused.
    Off,
}

/// The certificate of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// Plain HTTP: only on loopback, or behind a trusted proxy.
    #[default]
    Off,
    /// From two PEM files.
    Files {
        /// The certificate chain.
        certificate: PathBuf,
        /// Its private key, readable by its owner only.
        key: PathBuf,
    },
    /// Made at the first start and kept in the data directory.
    SelfSigned,
}

/// The effective settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The directory for the database, the audit log and mails.
    pub data: PathBuf,
    /// `sqlite:FILE` or `postgres://…`, without a password.
    pub database: Option<String>,
    /// What people's browsers call this server: `https://login.example.com`.
    pub public_url: Option<String>,
    /// The proxies whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<Network>,
    /// Whether `X-User-ID` identifies a guest.
    pub identity_header: IdentityHeader,
    /// Whether registering says that an email is taken.
    pub enumeration: Enumeration,
    /// The certificate.
    pub tls: Tls,
    /// How long a web session lives without activity.
    pub session_idle: Duration,
    /// How long it lives in any case.
    pub session_max: Duration,
    /// How long a guest session lives without activity.
    pub guest_idle: Duration,
    /// How long a token lives, at most as long as its session.
    pub token_life: Duration,
    /// `iss` of the tokens; by default the public URL.
    pub token_issuer: Option<String>,
    /// `aud` of the tokens.
    pub token_audience: String,
    /// The rules for new passwords.
    pub password_policy: PasswordPolicy,
    /// The cost of hashing a password.
    pub hash_cost: Argon2Params,
    /// How many threads hash passwords; by default one for each processor.
    pub hash_threads: Option<u32>,
    /// The kinds of documents that a user can keep.
    pub item_kinds: Vec<String>,
    /// What is removed from the database, and when.
    pub retention: Retention,
    /// The sender of mails.
    pub mail_from: String,
    /// The mail server that takes mails; without one they stay in the outbox directory.
    pub mail_smtp: Option<SmtpAddress>,
    /// A PEM file with the certificates that may sign that of the mail server.
    pub mail_ca: Option<PathBuf>,
}

impl Config {
    /// The defaults, with the given data directory.
    pub fn new(data: PathBuf) -> Self {
        let timeouts = Timeouts::default();
        Self {
            listen: LISTEN,
            data,
            database: None,
            public_url: None,
            trusted_proxies: Vec::new(),
            identity_header: IdentityHeader::Guests,
            enumeration: Enumeration::Tell,
            tls: Tls::Off,
            session_idle: timeouts.web_idle,
            session_max: timeouts.web_max,
            guest_idle: timeouts.guest_idle,
            token_life: TOKEN_LIFE,
            token_issuer: None,
            token_audience: "nightlatch".to_owned(),
            password_policy: PasswordPolicy::Nist,
            hash_cost: Argon2Params::DEFAULT,
            hash_threads: None,
            item_kinds: vec!["tasks".to_owned(), "configurations".to_owned()],
            retention: Retention::default(),
            mail_from: "nightlatch@localhost".to_owned(),
            mail_smtp: None,
            mail_ca: None,
        }
    }

    /// The database to use: the configured one, or SQLite in the data directory.
    pub fn database_url(&self) -> String {
        self.database
            .clone()
            .unwrap_or_else(|| format!("sqlite:{}", self.data.join("server.db").display()))
    }

    /// Checks what depends on more than one key. Each problem names the keys.
    pub fn contradictions(&self) -> Vec<String> {
        let mut found = Vec::new();
        let is_local = self.listen.ip().is_loopback();
        if !is_local && self.tls == Tls::Off && self.trusted_proxies.is_empty() {
            found.push(format!(
                "listen = \"{}\" is reachable from other machines and would send passwords in the \
                 clear: set tls.certificate and tls.key, tls.self_signed = true, or trusted_proxies",
                self.listen
            ));
        }
        if !is_local && self.public_url.is_none() {
            found.push(format!(
                "listen = \"{}\" needs public_url, the address that browsers use and links in mails \
                 start with",
                self.listen
            ));
        }
        if self.session_max < self.session_idle {
            found.push("session.max is shorter than session.idle".to_owned());
        }
        found
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn without_tls_or_a_proxy_only_loopback_is_served() {
        let mut config = Config::new("/data".into());
        assert!(config.contradictions().is_empty());
        config.listen = "0.0.0.0:443".parse().unwrap();
        assert!(config.contradictions()[0].contains("in the clear"));
        assert!(config.contradictions()[1].contains("public_url"));
        config.public_url = Some("https://login.example.com".to_owned());
        config.tls = Tls::SelfSigned;
        assert!(config.contradictions().is_empty());
        config.tls = Tls::Off;
        config.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
        assert!(config.contradictions().is_empty());
    }

    #[test]
    fn the_default_database_is_sqlite_in_the_data_directory() {
        let config = Config::new("/data".into());
        assert_eq!(config.database_url(), "sqlite:/data/server.db");
    }
}
