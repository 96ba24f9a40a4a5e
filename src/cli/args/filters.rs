//! Which events a command of `audit` is about, and of which log.

use std::path::PathBuf;

use clap::Args;

/// Which events: those that pass every filter given.
#[derive(Debug, Args)]
pub struct AuditFilters {
    /// Events at or after T: today, 14:00, 2026-11-20, "2026-11-20 14:00", RFC 3339, or an age such as 2h
    #[arg(long, value_name = "T")]
    pub since: Option<String>,
    /// Events before T, written the same way
    #[arg(long, value_name = "T")]
    pub until: Option<String>,
    /// Events of this account
    #[arg(long, value_name = "EMAIL")]
    pub user: Option<String>,
    /// Events of this type, such as LOGIN_FAILURE; may be given more than once
    #[arg(long, value_name = "TYPE")]
    pub event: Vec<String>,
    /// Events of this session
    #[arg(long, value_name = "ID")]
    pub session: Option<String>,
    /// Only failed sign-ins and refusals
    #[arg(long)]
    pub failed: bool,
    /// Commands that ended so: nonzero, an exit code, signal, or signal:N
    #[arg(long, value_name = "HOW")]
    pub exit: Option<String>,
    /// Commands of this program, started or refused
    #[arg(long, value_name = "NAME")]
    pub program: Option<String>,
    /// Events of this run of a command; may be given more than once
    #[arg(long, value_name = "ID")]
    pub exec_id: Vec<String>,
    /// Commands that ran exactly this command line; needs a live session
    #[arg(long, value_name = "COMMAND LINE")]
    pub argv_of: Option<String>,
    /// Events recorded on this terminal, such as pts/3
    #[arg(long, value_name = "NAME")]
    pub tty: Option<String>,
    /// Events recorded on this machine
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// Read the log files in DIR, such as a copy, and record nothing
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}
