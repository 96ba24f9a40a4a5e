//! The keys of the configuration file: each entry defines how to read, check and show one key.

use nightlatch_core::crypto::kdf::Argon2Params;
use nightlatch_core::email::Email;
use toml::de::DeValue;

use super::values::{
    DAY, Refused, absolute, cost, list, name_in, number, one_of, quoted, quoted_list, refused,
    span, text, time, time_from,
};
use super::{Config, Enumeration, IdentityHeader, Network, PasswordPolicy, Tls};

/// A configuration key.
pub(super) struct Key {
    /// Its name, with the section if it has one: `session.idle`.
    pub(super) name: &'static str,
    /// Sets a value from the file in the configuration.
    pub(super) set: fn(&mut Config, &DeValue<'_>) -> Result<(), Refused>,
    /// The effective value as it would be written in the file; `None` when it is unset.
    pub(super) get: fn(&Config) -> Option<String>,
}

const POLICIES: [(&str, PasswordPolicy); 3] = [
    ("nist", PasswordPolicy::Nist),
    ("pci", PasswordPolicy::Pci),
    ("classic", PasswordPolicy::Classic),
];
const ENUMERATION: [(&str, Enumeration); 2] =
    [("tell", Enumeration::Tell), ("hide", Enumeration::Hide)];
const IDENTITY_HEADER: [(&str, IdentityHeader); 2] = [
    ("guests", IdentityHeader::Guests),
    ("off", IdentityHeader::Off),
];

/// Every key, in the order in which `config show` prints them.
pub(super) const KEYS: &[Key] = &[
    Key {
        name: "listen",
        set: |config, value| {
            let address = value.as_str().and_then(|text| text.parse().ok());
            config.listen = address
                .ok_or_else(|| refused("an address with a port", Some("\"127.0.0.1:8734\"")))?;
            Ok(())
        },
        get: |config| Some(quoted(config.listen)),
    },
    Key {
        name: "data",
        set: |config, value| {
            config.data = absolute(value, "\"/var/lib/nightlatch-server\"")?;
            Ok(())
        },
        get: |config| Some(quoted(config.data.display())),
    },
    Key {
        name: "database",
        set: |config, value| {
            let url = text(value, "an address", "\"postgres://app@db/app\"")?;
            config.database = Some(database(url)?);
            Ok(())
        },
        get: |config| Some(quoted(config.database_url())),
    },
    Key {
        name: "public_url",
        set: |config, value| {
            let url = value.as_str().and_then(origin).ok_or_else(|| {
                refused(
                    "an http or https address without a path",
                    Some("\"https://login.example.com\""),
                )
            })?;
            config.public_url = Some(url);
            Ok(())
        },
        get: |config| config.public_url.as_ref().map(quoted),
    },
    Key {
        name: "trusted_proxies",
        set: |config, value| {
            let wrong = || refused("a list of address ranges", Some("[\"10.0.0.0/8\"]"));
            let texts = list(value).ok_or_else(wrong)?;
            let networks: Result<_, _> = texts.iter().map(|text| text.parse::<Network>()).collect();
            config.trusted_proxies = networks.map_err(|_| wrong())?;
            Ok(())
        },
        get: |config| Some(quoted_list(&config.trusted_proxies)),
    },
    Key {
        name: "identity_header",
        set: |config, value| {
            config.identity_header = one_of(value, &IDENTITY_HEADER)?;
            Ok(())
        },
        get: |config| Some(quoted(name_in(&IDENTITY_HEADER, config.identity_header))),
    },
    Key {
        name: "enumeration",
        set: |config, value| {
            config.enumeration = one_of(value, &ENUMERATION)?;
            Ok(())
        },
        get: |config| Some(quoted(name_in(&ENUMERATION, config.enumeration))),
    },
    Key {
        name: "tls.certificate",
        set: |config, value| {
            let path = absolute(value, "\"/etc/nightlatch-server/cert.pem\"")?;
            let key = match &config.tls {
                Tls::Files { key, .. } => key.clone(),
                _ => path.with_extension("key"),
            };
            config.tls = Tls::Files {
                certificate: path,
                key,
            };
            Ok(())
        },
        get: |config| match &config.tls {
            Tls::Files { certificate, .. } => Some(quoted(certificate.display())),
            _ => None,
        },
    },
    Key {
        name: "tls.key",
        set: |config, value| {
            let path = absolute(value, "\"/etc/nightlatch-server/cert.key\"")?;
            let certificate = match &config.tls {
                Tls::Files { certificate, .. } => certificate.clone(),
                _ => path.with_extension("pem"),
            };
            config.tls = Tls::Files {
                certificate,
                key: path,
            };
            Ok(())
        },
        get: |config| match &config.tls {
            Tls::Files { key, .. } => Some(quoted(key.display())),
            _ => None,
        },
    },
    Key {
        name: "tls.self_signed",
        set: |config, value| {
            let is_on = value
                .as_bool()
                .ok_or_else(|| refused("true or false, without quotes", None))?;
            if is_on {
                config.tls = Tls::SelfSigned;
            }
            Ok(())
        },
        get: |config| Some((config.tls == Tls::SelfSigned).to_string()),
    },
    Key {
        name: "session.idle",
        set: |config, value| {
            config.session_idle = time(value, 30, "\"15m\"")?;
            Ok(())
        },
        get: |config| Some(span(config.session_idle)),
    },
    Key {
        name: "session.max",
        set: |config, value| {
            config.session_max = time(value, 90, "\"12h\"")?;
            Ok(())
        },
        get: |config| Some(span(config.session_max)),
    },
    Key {
        name: "session.guest",
        set: |config, value| {
            config.guest_idle = time(value, 90, "\"30d\"")?;
            Ok(())
        },
        get: |config| Some(span(config.guest_idle)),
    },
    Key {
        name: "token.life",
        set: |config, value| {
            config.token_life = time(value, 7, "\"15m\"")?;
            Ok(())
        },
        get: |config| Some(span(config.token_life)),
    },
    Key {
        name: "token.issuer",
        set: |config, value| {
            let text = text(value, "an address", "\"https://login.example.com\"")?;
            config.token_issuer = Some(text.to_owned());
            Ok(())
        },
        get: |config| config.token_issuer.as_ref().map(quoted),
    },
    Key {
        name: "token.audience",
        set: |config, value| {
            text(value, "a name", "\"my-app\"")?.clone_into(&mut config.token_audience);
            Ok(())
        },
        get: |config| Some(quoted(&config.token_audience)),
    },
    Key {
        name: "password.policy",
        set: |config, value| {
            config.password_policy = one_of(value, &POLICIES)?;
            Ok(())
        },
        get: |config| Some(quoted(name_in(&POLICIES, config.password_policy))),
    },
    Key {
        name: "password.memory_kib",
        set: |config, value| {
            let memory = number(value, Argon2Params::MEMORY_KIB)?;
            config.hash_cost = cost(memory, config.hash_cost.passes())?;
            Ok(())
        },
        get: |config| Some(config.hash_cost.memory_kib().to_string()),
    },
    Key {
        name: "password.passes",
        set: |config, value| {
            let passes = number(value, Argon2Params::PASSES)?;
            config.hash_cost = cost(config.hash_cost.memory_kib(), passes)?;
            Ok(())
        },
        get: |config| Some(config.hash_cost.passes().to_string()),
    },
    Key {
        name: "password.threads",
        set: |config, value| {
            config.hash_threads = Some(number(value, 1..=256)?);
            Ok(())
        },
        get: |config| config.hash_threads.map(|threads| threads.to_string()),
    },
    Key {
        name: "items.kinds",
        set: |config, value| {
            let names = list(value).filter(|names| names.iter().all(|name| is_kind(name)));
            let names = names.ok_or_else(|| {
                refused(
                    "names of lower-case letters, digits and dashes",
                    Some("[\"notes\"]"),
                )
            })?;
            for name in names {
                if !config.item_kinds.contains(&name) {
                    config.item_kinds.push(name);
                }
            }
            Ok(())
        },
        get: |config| Some(quoted_list(&config.item_kinds)),
    },
    Key {
        name: "retention.sessions",
        set: |config, value| {
            config.retention.sessions = time_from(DAY, value, 3650, "\"90d\"")?;
            Ok(())
        },
        get: |config| Some(span(config.retention.sessions)),
    },
    Key {
        name: "retention.links",
        set: |config, value| {
            config.retention.links = time_from(DAY, value, 3650, "\"90d\"")?;
            Ok(())
        },
        get: |config| Some(span(config.retention.links)),
    },
    Key {
        name: "retention.every",
        set: |config, value| {
            config.retention.every = time(value, 1, "\"1h\"")?;
            Ok(())
        },
        get: |config| Some(span(config.retention.every)),
    },
    Key {
        name: "mail.from",
        set: |config, value| {
            let example = "\"login@example.com\"";
            let text = text(value, "an email", example)?;
            let email: Email = text
                .parse()
                .map_err(|_| refused("an email", Some(example)))?;
            email.as_str().clone_into(&mut config.mail_from);
            Ok(())
        },
        get: |config| Some(quoted(&config.mail_from)),
    },
    Key {
        name: "mail.smtp",
        set: |config, value| {
            let example = "\"smtps://login@mail.example.com\"";
            let text = text(value, "the address of a mail server", example)?;
            let address = text.parse();
            config.mail_smtp =
                Some(address.map_err(|expected: &str| refused(expected, Some(example)))?);
            Ok(())
        },
        get: |config| config.mail_smtp.as_ref().map(quoted),
    },
    Key {
        name: "mail.ca",
        set: |config, value| {
            config.mail_ca = Some(absolute(value, "\"/etc/nightlatch-server/mail-ca.pem\"")?);
            Ok(())
        },
        get: |config| config.mail_ca.as_ref().map(|path| quoted(path.display())),
    },
];

/// Every key with its effective value as it would be written in the file.
pub fn effective(config: &Config) -> Vec<(&'static str, String)> {
    let shown = KEYS.iter();
    let shown = shown.filter_map(|key| (key.get)(config).map(|value| (key.name, value)));
    shown.collect()
}

/// Checks the address of a database given by a flag.
///
/// # Errors
/// What is expected instead.
pub fn without_password(url: &str) -> Result<String, String> {
    database(url).map_err(|refused| format!("--database: expected {}", refused.expected))
}

/// Checks the address of a database: it may not contain a password, which everybody who lists
/// processes or reads the file would see.
fn database(url: &str) -> Result<String, Refused> {
    if url.starts_with("sqlite:") && url.len() > "sqlite:".len() {
        return Ok(url.to_owned());
    }
    let rest = ["postgres://", "postgresql://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme));
    let Some(rest) = rest else {
        let expected = "sqlite:FILE or postgres://USER@HOST/NAME";
        return Err(refused(expected, Some("\"postgres://app@db/app\"")));
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let has_password = authority
        .rsplit_once('@')
        .is_some_and(|(user, _)| user.contains(':'));
    if has_password || rest.contains("password=") {
        return Err(refused(
            "an address without a password; put it into NIGHTLATCH_DATABASE_PASSWORD",
            Some("\"postgres://app@db/app\""),
        ));
    }
    Ok(url.to_owned())
}

/// The origin in an `http` or `https` address that has no path.
fn origin(text: &str) -> Option<String> {
    let text = text.strip_suffix('/').unwrap_or(text);
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    (!host.is_empty() && host.chars().all(is_plain)).then(|| text.to_ascii_lowercase())
}

fn is_kind(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}
