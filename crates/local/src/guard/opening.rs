//! Opening a guard: reads the configuration, opens the home and sets up the services.

use std::path::Path;
use std::sync::Arc;

use super::home_dir::{home_to_be, home_to_look, home_to_use};
use super::{Guard, GuardConfig, GuardError, Home, last_known, owner};
use crate::account::AccountService;
use crate::config::{Config, ConfigError, ConfigProblem, ForwardChoice};
use crate::session::keeper::Keepers;
use nightlatch_audit::{AuditLog, Forward, ForwardTo, LogSettings, Retention};
use nightlatch_core::crypto::kdf::{Argon2Params, ParamsOutOfBounds};
use nightlatch_platform::fs::{Dir, FsError};

impl Guard {
    /// Opens the guard without creating a home: without one nobody is signed in. Removes other
    /// users' access to the home; a directory that is not a home is left unchanged and counts as
    /// none. The configured commands are saved in the home, for
    /// [`last_guarded_commands`](crate::guard::last_guarded_commands).
    ///
    /// # Errors
    /// When the configuration is invalid, or the home is not a directory of this user.
    pub fn open(config: GuardConfig) -> Result<Self, GuardError> {
        let settings = Config::load(&config.paths.config_file)?;
        let commands = settings.guarded_commands.clone();
        let guard = Self::open_as_set(config, settings, home_to_use)?;
        if let Some(home) = &guard.home {
            last_known::note(&home.dir, &commands);
        }
        Ok(guard)
    }

    /// Opens the guard read-only: for [`Guard::status`], [`Guard::account_meant`] and the like. It
    /// changes no mode, file or directory, and operations that would do so fail.
    ///
    /// # Errors
    /// As [`Guard::open`].
    pub fn open_to_look(config: GuardConfig) -> Result<Self, GuardError> {
        Self::open_with(config, home_to_look)
    }

    /// Opens the guard and creates its home if there is none: for [`Guard::register`].
    ///
    /// # Errors
    /// As [`Guard::open`]; also when the home cannot be created, and when its place is taken by a
    /// directory that has other files and is not a home.
    pub fn open_or_create(config: GuardConfig) -> Result<Self, GuardError> {
        Self::open_with(config, home_to_be)
    }

    /// As [`Guard::open`], for [`Guard::lock`] and [`Guard::sign_out`], which must work whatever
    /// the configuration says. Invalid settings get their defaults, and the error is returned
    /// beside the guard.
    ///
    /// # Errors
    /// When the home is not a directory of this user.
    pub fn open_to_lock(config: GuardConfig) -> Result<(Self, Option<ConfigError>), GuardError> {
        let (settings, wrong) = Config::load_what_can_be(&config.paths.config_file);
        let guard = Self::open_as_set(config, settings, home_to_use)?;
        Ok((guard, wrong))
    }

    fn open_with(
        config: GuardConfig,
        open: impl FnOnce(&Path) -> Result<Option<Dir>, FsError>,
    ) -> Result<Self, GuardError> {
        let settings = Config::load(&config.paths.config_file)?;
        Self::open_as_set(config, settings, open)
    }

    fn open_as_set(
        config: GuardConfig,
        settings: Config,
        open: impl FnOnce(&Path) -> Result<Option<Dir>, FsError>,
    ) -> Result<Self, GuardError> {
        let dir = open(&config.paths.home)?;
        tracing::debug!(home = %config.paths.home.display(), exists = dir.is_some(), ?settings);
        let invalid = |reason| ConfigError::Invalid {
            path: config.paths.config_file.clone(),
            problems: vec![ConfigProblem::general(reason)],
        };
        let argon2 = argon2_params(&settings).map_err(|error| invalid(error.to_string()))?;
        let retention = Retention::new(settings.audit_retention);
        let retention = retention.map_err(|error| invalid(error.to_string()))?;
        let choice = config.keeper.unwrap_or(settings.keeper);
        let home = dir.map(|dir| {
            let (dir, clock) = (Arc::new(dir), Arc::clone(&config.clock));
            let accounts =
                AccountService::new(Arc::clone(&dir), clock, settings.password_rules, argon2)
                    .on_delay(config.on_delay);
            let recorded = LogSettings::new(
                settings.limits.idle(),
                settings.limits.max(),
                retention.get(),
                settings.password_rules.name(),
                settings.syslog,
            );
            let mut audit =
                AuditLog::new(Arc::clone(&dir), Arc::clone(&config.clock)).with_settings(recorded);
            let forward = match settings.forward {
                ForwardChoice::Off => None,
                ForwardChoice::Syslog => Some((ForwardTo::Syslog, settings.syslog_socket.clone())),
                ForwardChoice::Journald => Some((ForwardTo::Journald, settings.journald_socket)),
            };
            if let Some((to, socket)) = forward {
                audit = audit.with_forward(Forward::new(to, socket));
            }
            if settings.syslog {
                audit = audit.with_syslog(settings.syslog_socket);
            }
            let keepers = Keepers::new(choice, Arc::clone(&dir), config.launch);
            Home::new(dir, accounts, keepers, audit, &config.clock)
        });
        Ok(Self {
            account: config.account,
            accepted: owner::accepted(config.accounts, settings.guard_account),
            limits: settings.limits,
            on_end: settings.on_end,
            configured_secrets: [config.secrets, settings.secrets].concat(),
            password_rules: settings.password_rules,
            retention,
            core_limit: config.core_limit,
            on_tamper: settings.on_tamper,
            on_alert_failure: config.on_alert_failure,
            clock: config.clock,
            path: config.paths.home,
            home,
        })
    }
}

/// The configured cost of hashing a password.
fn argon2_params(settings: &Config) -> Result<Argon2Params, ParamsOutOfBounds> {
    Argon2Params::new(
        settings.argon2_memory_kib,
        settings.argon2_passes,
        Argon2Params::DEFAULT.lanes(),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use super::*;
    use nightlatch_core::limits::RETENTION_FLOOR;

    #[test]
    fn the_configuration_has_the_defaults_and_bounds_of_those_it_is_for() {
        let config = Config::default();
        assert_eq!(argon2_params(&config).unwrap(), Argon2Params::DEFAULT);
        assert_eq!(
            Retention::new(config.audit_retention).unwrap(),
            Retention::DEFAULT
        );
        let shorter = RETENTION_FLOOR.saturating_sub(Duration::from_nanos(1));
        assert!(Retention::new(RETENTION_FLOOR).is_ok());
        assert!(Retention::new(shorter).is_err());
    }
}
