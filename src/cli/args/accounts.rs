//! The arguments of `register`, `login`, `passwd`, `recover` and `account`.

use std::time::Duration;

use clap::{Args, Subcommand};

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
Prints a recovery code once, on stderr; with --quiet there is none.
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
For a forgotten password see: nightlatch recover --help
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
  nightlatch recover alice@example.com
  printf '%s\\n' \"$CODE\" \"$NEW\" | nightlatch recover --password-stdin

Ends the account's session and prints a new code: the old one is used up.
Five wrong codes in a row lock recovery for 30 minutes. To start over without
a code, move the home away and register; `nightlatch config show` names it.
Exit codes: 2 not a recovery code; 3 new password too weak;
5 wrong email or code; 6 locked out.")]
pub struct Recover {
    /// Email of the account (default: the last one signed in)
    pub email: Option<String>,
    /// Read the code and the new password from stdin, a line each
    #[arg(long, group = "recover_from")]
    pub password_stdin: bool,
    /// Read both from file descriptor N, a line each
    #[arg(long, group = "recover_from", value_name = "N", value_parser = number(0.., DESCRIPTOR))]
    pub password_fd: Option<i32>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightlatch account list
  nightlatch account show --json
  nightlatch account recovery --new")]
pub struct Account {
    #[command(subcommand)]
    pub command: AccountCommand,
}

#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// List the accounts of this home
    #[command(after_help = "\
Examples:
  nightlatch account list
  nightlatch account list --json")]
    List,
    /// Show an account, its session and its recovery code's date
    Show(AccountShow),
    /// Use another account where none is named
    Switch(AccountSwitch),
    /// Change the name of the account's owner
    Rename(AccountRename),
    /// Change the account's email and end its session
    Email(AccountEmail),
    /// Remove an account with its secrets and session, after asking
    Remove(AccountRemove),
    /// Say whether there is a recovery code, or make a new one
    Recovery(AccountRecovery),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightlatch account show
  nightlatch account show bob@example.com --json

Asks for no password. Exit codes: 2 which account is unclear.")]
pub struct AccountShow {
    /// Email of the account (default: the last one signed in)
    pub email: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  nightlatch account switch bob@example.com

Asks for no password: commands still need a live session of that account.
Exit codes: 2 no such account.")]
pub struct AccountSwitch {
    /// Email of the account
    pub email: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  nightlatch account rename \"Alice Liddell\"

Exit codes: 2 not a name; 4 without a live session of the account.")]
pub struct AccountRename {
    /// New name, of 1 to 100 characters
    pub name: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightlatch account email alice@new.example
  nightlatch account email alice@new.example --password-stdin <file

The recovery code and the secrets stay valid.
Exit codes: 3 email taken; 5 wrong password; 6 locked out.")]
pub struct AccountEmail {
    /// New email
    #[arg(value_name = "EMAIL")]
    pub new_email: String,
    #[command(flatten)]
    pub password: PasswordSource,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightlatch account remove
  nightlatch account remove bob@example.com --yes --password-stdin <file

Nothing brings an account back. The audit log keeps its events.
Exit codes: 2 not confirmed; 5 wrong password; 6 locked out.")]
pub struct AccountRemove {
    /// Email of the account (default: the last one signed in)
    pub email: Option<String>,
    /// Do not ask for confirmation
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub password: PasswordSource,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightlatch account recovery
  nightlatch account recovery --new

Prints the new code alone on stdout; the old one is no longer accepted.
Exit codes: 5 wrong password; 6 locked out.")]
pub struct AccountRecovery {
    /// Make a new code
    #[arg(long)]
    pub new: bool,
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
