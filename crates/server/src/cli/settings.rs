//! The settings of a run: the file, the flags over it, and the secrets.

use std::path::PathBuf;

use directories::ProjectDirs;
use nightlatch_core::memory::SecretBuffer;

use super::Failure;
use super::args::Arguments;
use crate::config::{Config, Secrets, load, without_password};
use crate::node::{Database, Settings};
use crate::service::Timeouts;

/// The shortest secret for HS256, in bytes (RFC 7518 section 3.2).
const JWT_SECRET: usize = 32;

/// The configuration of this run.
///
/// # Errors
/// When the file or a flag is invalid.
pub fn config(arguments: &Arguments) -> Result<Config, Failure> {
    let mut config = Config::new(PathBuf::new());
    if let Some(file) = &arguments.config {
        load(file, &mut config)?;
    }
    if let Some(data) = &arguments.data {
        config.data = std::path::absolute(data)?;
    }
    if config.data.as_os_str().is_empty() {
        let directories = ProjectDirs::from("", "", "nightlatch-server");
        let directories =
            directories.ok_or("cannot tell where to keep data; name it with --data")?;
        directories.data_dir().clone_into(&mut config.data);
    }
    if let Some(listen) = arguments.listen {
        config.listen = listen;
    }
    if let Some(database) = &arguments.database {
        config.database = Some(without_password(database)?);
    }
    Ok(config)
}

/// Checks what depends on more than one setting.
///
/// # Errors
/// All contradictions, in one line.
pub fn check(config: &Config) -> Result<(), Failure> {
    let found = config.contradictions();
    if found.is_empty() {
        Ok(())
    } else {
        Err(found.join("; ").into())
    }
}

/// What a node starts with.
pub struct Start {
    /// The configuration.
    pub config: Config,
    /// The settings of the lower half.
    pub settings: Settings,
    /// The shared secret of tokens, where one is set.
    pub jwt_secret: Option<SecretBuffer>,
    /// The password for the mail server, where one is set.
    pub smtp_password: Option<SecretBuffer>,
}

impl Start {
    /// Completes the configuration with the secrets.
    ///
    /// # Errors
    /// When a secret cannot be read or is too short.
    pub fn new(config: Config, secrets: Secrets) -> Result<Self, Failure> {
        let jwt_secret = secrets.find("jwt-secret")?;
        if jwt_secret
            .as_ref()
            .is_some_and(|secret| secret.len() < JWT_SECRET)
        {
            let message = format!("NIGHTLATCH_JWT_SECRET must have at least {JWT_SECRET} bytes");
            return Err(message.into());
        }
        let database = match config.database_url().strip_prefix("sqlite:") {
            Some(file) => Database::Sqlite(file.into()),
            None => Database::Postgres(with_password(
                config.database_url(),
                secrets.find("database-password")?.as_ref(),
            )?),
        };
        let hash_threads = match config.hash_threads {
            Some(threads) => usize::try_from(threads)?,
            None => std::thread::available_parallelism().map_or(1, usize::from),
        };
        let settings = Settings {
            database,
            data: config.data.clone(),
            timeouts: Timeouts {
                web_idle: config.session_idle,
                web_max: config.session_max,
                guest_idle: config.guest_idle,
            },
            passwords: config.password_policy,
            hash_cost: config.hash_cost,
            item_kinds: config.item_kinds.clone(),
            hash_threads,
            retention: config.retention,
        };
        Ok(Self {
            config,
            settings,
            jwt_secret,
            smtp_password: secrets.find("smtp-password")?,
        })
    }
}

/// The connection string with the password, encoded for an address.
fn with_password(url: String, password: Option<&SecretBuffer>) -> Result<String, Failure> {
    let Some(password) = password else {
        return Ok(url);
    };
    let password = std::str::from_utf8(password.expose())
        .map_err(|_| "NIGHTLATCH_DATABASE_PASSWORD is not UTF-8 text")?;
    let mut encoded = String::new();
    for byte in password.bytes() {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            let escape = format!("%{byte:02X}");
            encoded.push_str(&escape);
        }
    }
    let separator = if url.contains('?') { '&' } else { '?' };
    Ok(format!("{url}{separator}password={encoded}"))
}
