//! Filters on events, and the log to read.

use std::path::PathBuf;

use clap::Args;

/// Which events: those that pass every filter given.
#[derive(Debug, Args)]
#[command(next_help_heading = "Filters")]
pub struct AuditFilters {
    /// Events from T on: 2h, today, 14:00, 2026-11-20
    #[arg(long, value_name = "T")]
    pub since: Option<String>,
    /// Events before T
    #[arg(long, value_name = "T")]
    pub until: Option<String>,
    /// Events of this account
    #[arg(long, value_name = "EMAIL")]
    pub user: Option<String>,
    /// Events of this type, e.g. LOGIN_FAILURE (repeatable)
    #[arg(long, value_name = "TYPE")]
    pub event: Vec<String>,
    /// Events of this session
    #[arg(long, value_name = "ID")]
    pub session: Option<String>,
    /// Only failed sign-ins and refusals
    #[arg(long)]
    pub failed: bool,
    /// Commands by result: N, nonzero, signal, signal:N
    #[arg(long, value_name = "HOW")]
    pub exit: Option<String>,
    /// Commands of this program, started or refused
    #[arg(long, value_name = "NAME")]
    pub program: Option<String>,
    /// Events of this run of a command (repeatable)
    #[arg(long, value_name = "ID")]
    pub exec_id: Vec<String>,
    /// Commands with exactly this line; needs a session
    #[arg(long, value_name = "LINE")]
    pub argv_of: Option<String>,
    /// Events recorded on this terminal, e.g. pts/3
    #[arg(long, value_name = "NAME")]
    pub tty: Option<String>,
    /// Events recorded on this machine
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// Read the log in DIR, such as a copy; record nothing
    #[arg(long, value_name = "DIR", help_heading = None)]
    pub dir: Option<PathBuf>,
}
