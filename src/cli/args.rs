//! The command line as clap parses it. clap types do not leave `cli`: each command converts its
//! arguments to the library's types in its first lines.

mod accounts;
mod audit;
mod bad_value;
mod filters;
mod hold;
mod secret;
mod secret_binding;
mod sessions;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use nightlatch_local::config::OnEnd;
use nightlatch_local::guard::SecretBinding;

pub use accounts::{
    Account, AccountCommand, AccountEmail, AccountRecovery, AccountRemove, Login, Passwd,
    PasswordSource, Recover, Register,
};
pub use audit::{
    Audit, AuditCommand, AuditExport, AuditList, AuditPrune, AuditReport, AuditStats, AuditVerify,
    ExportForm, Format, Noted,
};
pub use bad_value::BadValue;
pub use filters::AuditFilters;
pub use hold::{AuditHold, HoldCommand};
pub use secret::{
    EXISTING_SECRET, ImportFormat, Inject, Secret, SecretCommand, SecretEdit, SecretExport,
    SecretGet, SecretHistory, SecretImport, SecretRename, SecretRestore, SecretRm, SecretSet,
    SecretShow, TextFormat,
};
pub use secret_binding::{in_variable, secret_name};
pub use sessions::Revoke;

const AFTER_HELP: &str = "\
Example: nightlatch register alice@example.com
Exit codes: nightlatch --exit-codes";

/// A login session for the terminal that locks itself
#[derive(Debug, Parser)]
#[command(
    name = "nightlatch",
    version,
    after_help = AFTER_HELP,
    // Without blank lines above the commands, to fit on a page.
    help_template = "{about-with-newline}{usage-heading} {usage}\n{all-args}{after-help}",
    max_term_width = 80,
    arg_required_else_help = true
)]
pub struct Cli {
    /// Print what each exit code means, and exit
    #[arg(long, hide = true)]
    pub exit_codes: bool,
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Options that every command takes.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Keep all data in DIR (or set NIGHTLATCH_HOME)
    #[arg(long, global = true, value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// Account to use (default: the last one signed in)
    #[arg(long, global = true, value_name = "EMAIL")]
    pub account: Option<String>,
    /// Print results and errors as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Print only results and errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Log each step to stderr; -vv and -vvv log more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Never ask; fail where an answer would be needed
    #[arg(short, long, global = true)]
    pub non_interactive: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create an account
    Register(Register),
    /// Sign in; the session locks after 15 idle minutes
    #[command(aliases = ["unlock", "signin", "sign-in"])]
    Login(Login),
    /// End all sessions now, in every terminal
    #[command(
        after_help = "Example:\n  nightlatch lock\n\nAsks for no password, and works with a broken configuration too.\nExit codes: 0 also when nobody was signed in; 1 when a key or file is left;\n7 when the end could not be recorded."
    )]
    Lock,
    /// End the session of one account, in every terminal
    #[command(aliases = ["signout", "sign-out"])]
    Logout(Logout),
    /// Show the session and when it locks; changes nothing
    Status(Status),
    /// List all sessions and the commands under them; changes nothing
    #[command(
        after_help = "Examples:\n  nightlatch sessions\n  nightlatch sessions --json\n\nExit codes: 0 also when nobody is signed in."
    )]
    Sessions,
    /// End sessions and the commands under them, for a reason
    Revoke(Revoke),
    /// Restart the idle timer
    #[command(
        after_help = "Example:\n  nightlatch extend && ./long-report\n\nExit codes: 4 without a live session."
    )]
    Extend,
    /// Print the email of the account that is signed in
    #[command(
        after_help = "Example:\n  git config user.email \"$(nightlatch whoami)\"\n\nExit codes: 4 without a live session."
    )]
    Whoami,
    /// Run a command if there is a live session
    #[command(visible_alias = "run")]
    Exec(Exec),
    /// Keep values that only a live session opens
    Secret(Box<Secret>),
    /// Print or install the shell hook that guards commands
    Hook(Hook),
    /// Change the password and end the account's sessions
    Passwd(Passwd),
    /// Set a new password with a recovery code
    Recover(Recover),
    /// List, show, change, switch and remove accounts
    Account(Account),
    /// List, verify, export and prune the audit log
    #[command(args_conflicts_with_subcommands = true)]
    Audit(Box<Audit>),
    /// Show, check and edit the configuration
    Config(Config),
    /// Check this installation for problems; changes nothing
    #[command(
        after_help = "Examples:\n  nightlatch doctor\n  nightlatch doctor --json\n\nNeeds no home, account or valid configuration.\nExit codes: 0 without failures, even with warnings; 1 when a check failed."
    )]
    Doctor,
    /// Show everything in a scratch home, in under a minute
    #[command(after_help = "Example:\n  nightlatch tour")]
    Tour,
    /// Print or install a completion script for a shell
    Completions(Completions),
    /// Print the manual page, or write all pages to a directory
    Man(Man),
    /// Fill the secrets that a template names into it (`secret inject`)
    #[command(hide = true)]
    Inject(Inject),
    /// Hold session keys where the kernel cannot (started by `login`)
    #[command(hide = true)]
    Agent,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nightlatch logout\n  nightlatch logout --account alice@example.com\n\nAsks for no password.\nExit codes: 0 also when nobody was signed in; 1 when a key or file is left;\n7 when the end could not be recorded."
)]
pub struct Logout {
    /// End the sessions of all accounts, as `lock` does
    #[arg(long)]
    pub all: bool,
}

#[derive(Debug, Default, Args)]
#[command(
    after_help = "Examples:\n  nightlatch status --json\n  nightlatch status --check || nightlatch login\n  nightlatch status --watch\n  PS1='$(nightlatch status --prompt) \\$ '\n\nExit codes: 4 without a live session."
)]
pub struct Status {
    /// Print nothing; the exit code is 0 or 4
    #[arg(long, group = "instead")]
    pub check: bool,
    /// Count down until the session ends
    #[arg(long, group = "instead")]
    pub watch: bool,
    /// Print text for a shell prompt, such as: until 12:41
    #[arg(long, group = "instead")]
    pub prompt: bool,
    /// Print a line when the session ends soon or has ended (for `hook`)
    #[arg(long, group = "instead", hide = true)]
    pub notice: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  nightlatch hook bash --install\n\nTo do it by hand, put this at the end of the shell's own file:\n  ~/.bashrc                   eval \"$(nightlatch hook bash)\"\n  ~/.zshrc                    eval \"$(nightlatch hook zsh)\"\n  ~/.config/fish/config.fish  nightlatch hook fish | source\n\nName the commands in the configuration: [guard] commands = [\"psql\", \"kubectl\"]"
)]
pub struct Hook {
    /// The shell to print code for
    #[arg(value_enum)]
    pub shell: HookShell,
    /// Do not change the prompt; the text is in $NIGHTLATCH_PROMPT
    #[arg(long, conflicts_with = "install")]
    pub no_prompt: bool,
    /// Add the hook to the shell's own file, after asking
    #[arg(long)]
    pub install: bool,
}

/// The shells there is a hook for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HookShell {
    Bash,
    Zsh,
    Fish,
}

#[derive(Debug, Default, Args)]
#[command(after_help = "\
Examples:
  nightlatch exec -- psql production
  nightlatch exec --min-remaining 10m -- ./deploy.sh
  nightlatch exec --secret prod/db=PGPASSWORD -- psql production

Exit codes: the command's own, or its signal; 3 too little time left, or no
such secret; 4 no live session; 126 not executable; 127 not found.")]
pub struct Exec {
    /// Refuse if the session would end within D, such as 10m
    #[arg(long, value_name = "D", value_parser = duration)]
    pub min_remaining: Option<Duration>,
    /// Do not restart the idle timer
    #[arg(long)]
    pub no_extend: bool,
    /// Give the command a secret in variable VAR
    #[arg(long = "secret", value_name = "NAME[=VAR]", value_parser = secret_binding::in_variable)]
    pub secrets: Vec<SecretBinding>,
    /// Give it a secret as a file in memory; VAR has the path
    #[arg(long = "secret-file", value_name = "NAME=VAR", value_parser = secret_binding::in_file)]
    pub secret_files: Vec<SecretBinding>,
    /// Set the variables in FILE; nightlatch://NAME is a secret
    #[arg(long = "env-file", value_name = "FILE")]
    pub env_files: Vec<PathBuf>,
    /// Show the command's secrets in its output
    #[arg(long)]
    pub no_mask: bool,
    /// When the session ends: warn, hangup or continue
    #[arg(long, value_name = "WHAT", value_enum, hide_possible_values = true)]
    pub on_end: Option<OnEndChoice>,
    /// Command to run, and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// What happens to the command when its session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnEndChoice {
    Warn,
    Hangup,
    Continue,
}

impl From<OnEndChoice> for OnEnd {
    fn from(choice: OnEndChoice) -> Self {
        match choice {
            OnEndChoice::Warn => Self::Warn,
            OnEndChoice::Hangup => Self::HangUp,
            OnEndChoice::Continue => Self::Continue,
        }
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nightlatch config show\n  nightlatch config edit\n  nightlatch config check"
)]
pub struct Config {
    #[command(subcommand)]
    pub command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Show each setting, its value and where the value comes from
    #[command(
        after_help = "Examples:\n  nightlatch config show\n  nightlatch config show --json\n\nExit codes: 1 when the file has mistakes; see nightlatch config check."
    )]
    Show,
    /// List every mistake in the configuration file
    Check(ConfigCheck),
    /// Print the path of the configuration file
    #[command(after_help = "Example:\n  nightlatch config path")]
    Path,
    /// Create a configuration file with every setting, commented out
    #[command(
        after_help = "Example:\n  nightlatch config init\n\nExit codes: 3 when the file exists."
    )]
    Init,
    /// Edit the configuration file in $VISUAL or $EDITOR, then check it
    #[command(
        after_help = "Example:\n  nightlatch config edit\n\nExit codes: 1 when the file has mistakes."
    )]
    Edit,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nightlatch config check\n  nightlatch config check ./config.toml\n\nExit codes: 1 when the file has mistakes."
)]
pub struct ConfigCheck {
    /// File to check (default: the one in use)
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightlatch completions bash --install
  nightlatch completions elvish >>~/.config/elvish/rc.elv

Where each shell looks for the script:
  bash        ~/.local/share/bash-completion/completions/nightlatch
  zsh         _nightlatch, in a directory of $fpath
  fish        ~/.config/fish/completions/nightlatch.fish
  powershell  $PROFILE
  elvish      ~/.config/elvish/rc.elv")]
pub struct Completions {
    /// The shell to complete in
    #[arg(value_enum)]
    pub shell: Shell,
    /// Write it where the shell looks for it, after asking
    #[arg(long)]
    pub install: bool,
}

/// A shell that can be taught to complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
    Powershell,
    Elvish,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nightlatch man | man -l -\n  nightlatch man --dir ~/.local/share/man/man1"
)]
pub struct Man {
    /// Write all pages to DIR, one for each command
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

fn duration(text: &str) -> Result<Duration, BadValue> {
    humantime::parse_duration(text).map_err(|_| BadValue {
        message: format!("cannot read {text:?} as a length of time"),
        hint: Some("write 90s, 10m or 1h30m"),
    })
}

#[cfg(test)]
mod tests;
