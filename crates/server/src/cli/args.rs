//! The command line, as clap reads it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand};

/// Sessions of many people, in browsers: accounts, guests, sign-in links and revocation, with a
/// sealed audit log.
#[derive(Parser)]
#[command(name = "nightlatch-server", version, max_term_width = 100)]
pub struct Arguments {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Directory for the database, the audit log and mails
    #[arg(long, value_name = "DIR", global = true)]
    pub data: Option<PathBuf>,
    /// Address to listen on (default: 127.0.0.1:8734; port 0 takes a free one)
    #[arg(long, value_name = "ADDRESS", global = true)]
    pub listen: Option<SocketAddr>,
    /// Database: sqlite:FILE or postgres://USER@HOST/NAME (default: SQLite in the data directory)
    #[arg(long, value_name = "URL", global = true)]
    pub database: Option<String>,
    /// Log every request
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub verbose: u8,
    /// What to do (default: serve)
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Serve until SIGTERM or Ctrl-C, then finish the requests that were begun
    Serve,
    /// Bring the tables of the database up to date
    Migrate,
    /// Create or disable administrators
    Admin {
        /// What to do
        #[command(subcommand)]
        command: AdminCommand,
    },
    /// Read and verify this node's audit log
    Audit {
        /// What to do
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Copy the database (SQLite) and the audit log to a new directory, also beside a running server
    Backup {
        /// The directory to make
        directory: PathBuf,
    },
    /// Restore a backup into a data directory that has no database and no audit log
    Restore {
        /// The directory of the backup
        directory: PathBuf,
    },
    /// Show or check the configuration
    Config {
        /// What to do
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Show everything on a server of its own: real requests with their answers; leaves nothing
    Tour,
}

/// What to do with administrators.
#[derive(Subcommand)]
pub enum AdminCommand {
    /// Create an administrator, or make an existing account one and set its password
    Create {
        /// The email
        email: String,
        /// Read the password from standard input
        #[arg(long, required = true)]
        password_stdin: bool,
    },
    /// Take the rights of an administrator away and end the account's sessions
    Disable {
        /// The email
        email: String,
    },
}

/// What to do with the audit log.
#[derive(Subcommand)]
pub enum AuditCommand {
    /// Check the log for tampering
    Verify,
    /// Print the log's fingerprint; keep a copy elsewhere to check the log with
    Fingerprint,
    /// Print the newest events as JSON Lines, and record that in the log
    List {
        /// How many events, from 1 to 1000
        #[arg(long, value_name = "N", default_value = "100")]
        limit: u64,
        /// Read the log in DIR, such as that of a backup, without recording it
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

/// What to do with the configuration.
#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Print every setting that is in effect
    Show,
    /// Check the configuration without starting
    Check,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Arguments;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
