//! What `register`, `login` and `passwd` take.

use std::time::Duration;

use clap::Args;

use super::duration;

/// Where a password comes from when it is not asked for on the terminal.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct PasswordSource {
    /// Read the password from standard input, to its end; one trailing newline is stripped
    #[arg(long)]
    pub password_stdin: bool,
    /// Read the password from the open file descriptor N
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub password_fd: Option<i32>,
}

impl PasswordSource {
    /// Whether the password is handed in, so that nobody has to be asked for it.
    pub fn is_given(&self) -> bool {
        self.password_stdin || self.password_fd.is_some()
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nightlatch register\n  nightlatch register alice@example.com --name \"Alice Liddell\"\n  pass show nightlatch | nightlatch register alice@example.com --password-stdin\n\nAsks for what is missing, and signs in. With a password handed in it does neither."
)]
pub struct Register {
    /// The email that names the account; asked for when left out
    pub email: Option<String>,
    /// What the account's owner is called
    #[arg(long)]
    pub name: Option<String>,
    #[command(flatten)]
    pub password: PasswordSource,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nightlatch login\n  nightlatch login alice@example.com\n  nightlatch login --idle 5m --max 1h\n  pass show nightlatch | nightlatch login --password-stdin\n\nWhile signed in it says so and asks nothing, but with --force, --idle, --max or a password.\nFive wrong passwords in a row lock sign-in for 30 minutes: wait, then try again.\nNobody can reset a forgotten password. To begin again, move the home away and register;\n`nightlatch config show` prints where it is, and the audit log in it still verifies."
)]
pub struct Login {
    /// The account's email (default: the last one signed in)
    pub email: Option<String>,
    /// Lock after this long without activity: 1s to 15m
    #[arg(long, value_name = "D", value_parser = duration)]
    pub idle: Option<Duration>,
    /// Lock this long after sign-in at the latest: 1s to 12h
    #[arg(long, value_name = "D", value_parser = duration)]
    pub max: Option<Duration>,
    /// Ask for the password also while signed in, and begin a new session
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub password: PasswordSource,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nightlatch passwd\n  printf '%s\\n' \"$OLD\" \"$NEW\" | nightlatch passwd --password-stdin\n\nExit codes: 3 when the new password is too weak; 5 when the current one is wrong; 6 locked out."
)]
#[group(multiple = false)]
pub struct Passwd {
    /// Read the current and the new password from standard input, a line each
    #[arg(long)]
    pub password_stdin: bool,
    /// Read both from the open file descriptor N, a line each
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub password_fd: Option<i32>,
}
