//! The settings and what they may be.

use std::path::PathBuf;
use std::time::Duration;

use super::command_name::CommandName;
use super::configured_secrets::ConfiguredSecrets;
use super::keeper_choice::KeeperChoice;
use nightlatch_core::email::Email;
use nightlatch_core::limits::{Limits, RETENTION_FLOOR};
use nightlatch_core::password::PasswordRules;

/// The default retention under `password.policy = "pci"`: a month more than required.
pub(super) const PCI_RETENTION_DEFAULT: Duration = Duration::from_secs(400 * 24 * 3600);

/// The system log's socket on Linux.
pub(super) const SYSLOG_SOCKET: &str = "/dev/log";
/// The socket of journald's native protocol.
pub(super) const JOURNALD_SOCKET: &str = "/run/systemd/journal/socket";
/// The longest `audit.on_tamper` command, in bytes.
pub(super) const COMMAND_LIMIT: usize = 4096;

/// Where to forward each audit event when it is sealed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardChoice {
    /// Nowhere.
    #[default]
    Off,
    /// To the system log, at `audit.syslog_socket`.
    Syslog,
    /// To journald, at `audit.journald_socket`.
    Journald,
}

impl ForwardChoice {
    pub(super) const ALL: [(&str, Self); 3] = [
        ("off", Self::Off),
        ("syslog", Self::Syslog),
        ("journald", Self::Journald),
    ];
}

/// What `nightlatch exec` does about a running command when its session ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnEnd {
    /// Tells the person at the terminal.
    #[default]
    Warn,
    /// Tells them, and sends SIGHUP to the command and what it started, as when a terminal goes
    /// away.
    HangUp,
    /// Nothing while it runs.
    Continue,
}

impl OnEnd {
    /// The values, by name.
    pub const ALL: [(&str, Self); 3] = [
        ("warn", Self::Warn),
        ("hangup", Self::HangUp),
        ("continue", Self::Continue),
    ];
}

/// The effective settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// The limits of a session.
    pub limits: Limits,
    /// Where its key may be kept.
    pub keeper: KeeperChoice,
    /// The rules for new passwords.
    pub password_rules: PasswordRules,
    /// The Argon2id memory, in KiB.
    pub argon2_memory_kib: u32,
    /// The Argon2id passes.
    pub argon2_passes: u32,
    /// How long closed segments of the audit log are kept.
    pub audit_retention: Duration,
    /// Whether the end of the audit log is reported to the system log.
    pub syslog: bool,
    /// The system log's socket.
    pub syslog_socket: PathBuf,
    /// Where to forward each audit event when it is sealed.
    pub forward: ForwardChoice,
    /// journald's socket.
    pub journald_socket: PathBuf,
    /// The shell command to run when the audit log fails verification and when sign-in is locked.
    pub on_tamper: Option<String>,
    /// The commands to wrap in the shell, without duplicates.
    pub guarded_commands: Vec<CommandName>,
    /// The only account whose session counts for guarded commands.
    pub guard_account: Option<Email>,
    /// What happens to a running command when its session ends.
    pub on_end: OnEnd,
    /// The secrets that commands get whenever they run.
    pub secrets: Vec<ConfiguredSecrets>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            keeper: KeeperChoice::default(),
            password_rules: PasswordRules::default(),
            argon2_memory_kib: 64 * 1024,
            argon2_passes: 3,
            audit_retention: 90 * RETENTION_FLOOR,
            syslog: true,
            syslog_socket: SYSLOG_SOCKET.into(),
            forward: ForwardChoice::default(),
            journald_socket: JOURNALD_SOCKET.into(),
            on_tamper: None,
            guarded_commands: Vec::new(),
            guard_account: None,
            on_end: OnEnd::default(),
            secrets: Vec::new(),
        }
    }
}

impl Config {
    /// Whether PCI DSS applies, which requires more than its password rules.
    pub fn follows_pci(&self) -> bool {
        self.password_rules == PasswordRules::Pci
    }
}
