//! The arguments of `register`, `login` and `passwd`.

use std::time::Duration;

use clap::Args;

use super::bad_value::number;
use super::duration;

/// The description of a valid value, for messages.
const DESCRIPTOR: &str = "the number of a file descriptor";

/// Where a password comes from when it is not asked for on the terminal.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct PasswordSource {
    /// Read the password from standard input
    #[arg(long)]
    pub password_stdin: bool,
    /// Read the password from file descriptor N
    #[arg(long, value_name = "N", value_parser = number(0.., DESCRIPTOR))]
    pub password_fd: Option<i32>,
}

impl PasswordSource {
    /// Whether an option gives the password, so that no prompt is needed.
    pub fn is_given(&self) -> bool {
        self.password_stdin || self.password_fd.is_some()
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightlatch register
  nightlatch register alice@example.com --name \"Alice Liddell\"
  pass show latch | nightlatch register alice@example.com --password-stdin

Asks for what is missing and signs in; does neither if given a password.
Exit codes: 3 when the email is taken or the password too weak.")]
pub struct Register {
    /// Email that names the account (default: asked for)
    pub email: Option<String>,
    /// Name of the account's owner
    #[arg(long)]
    pub name: Option<String>,
    #[command(flatten)]
    pub password: PasswordSource,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightlatch login
  nightlatch login --idle 5m --max 1h
  pass show latch | nightlatch login --password-stdin

While signed in, asks nothing without --force, --idle, --max or a password.
Five wrong passwords in a row lock sign-in for 30 minutes.
A forgotten password cannot be reset. To start over, move the home away and
register; `nightlatch config show` prints where the home is.
Exit codes: 5 wrong email or password; 6 locked out.")]
pub struct Login {
    /// Email of the account (default: the last one signed in)
    pub email: Option<String>,
    /// Lock after D without activity: 1s to 15m
    #[arg(long, value_name = "D", value_parser = duration)]
    pub idle: Option<Duration>,
    /// Lock D after sign-in at the latest: 1s to 12h
    #[arg(long, value_name = "D", value_parser = duration)]
    pub max: Option<Duration>,
    /// Begin a new session even while signed in
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub password: PasswordSource,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightlatch passwd
  printf '%s\\n' \"$OLD\" \"$NEW\" | nightlatch passwd --password-stdin

Exit codes: 3 new password too weak; 5 current one wrong; 6 locked out.")]
#[group(multiple = false)]
pub struct Passwd {
    /// Read the current and new password from stdin, a line each
    #[arg(long)]
    pub password_stdin: bool,
    /// Read both from file descriptor N, a line each
    #[arg(long, value_name = "N", value_parser = number(0.., DESCRIPTOR))]
    pub password_fd: Option<i32>,
}
