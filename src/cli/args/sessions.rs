//! The arguments of `revoke`.

use clap::Args;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightlatch revoke --reason \"laptop left in the train\"
  nightlatch revoke alice@example.com --reason \"end of shift\"
  nightlatch revoke --all --reason \"suspected break-in\"

Asks for no password, and works with a broken configuration too.
Commands under the sessions are asked to end, and killed after 5 seconds.
Exit codes: 0 also when nobody was signed in; 1 when a key, file or command is
left, or there is no such account or session; 7 when it could not be recorded.")]
pub struct Revoke {
    /// Email of an account, or id of a session (default: the current account)
    #[arg(value_name = "EMAIL|SESSION", conflicts_with = "all")]
    pub whose: Option<String>,
    /// Revoke the sessions of all accounts
    #[arg(long)]
    pub all: bool,
    /// Reason of 1 to 500 characters, shown in every terminal and recorded
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Let the commands under the sessions run on
    #[arg(long)]
    pub keep_commands: bool,
}
