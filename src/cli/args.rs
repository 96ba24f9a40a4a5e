//! The command line as clap reads it. Nothing of clap leaves `cli`: each command turns its
//! arguments into the library's types in its first lines.

mod accounts;
mod filters;
mod hold;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use accounts::{Login, Passwd, PasswordSource, Register};
pub use filters::AuditFilters;
pub use hold::{AuditHold, HoldCommand};

const AFTER_HELP: &str = "\
Examples:
  nightlatch register alice@example.com      create an account
  nightlatch login                           sign in; locks 15 minutes after you stop
  nightlatch exec -- psql production         run a command under the guard
  nightlatch status                          how long until it locks
  nightlatch audit list --since 2h           what happened lately
  nightlatch tour                            all of it in a scratch home, in a minute

Exit codes: 0 done, 1 failed, 2 usage, 3 refused by policy, 4 no live session,
5 sign-in failed, 6 locked out, 7 audit log cannot be written or read, or does not verify.";

/// A login session for the terminal that locks itself
#[derive(Debug, Parser)]
#[command(
    name = "nightlatch",
    version,
    after_help = AFTER_HELP,
    max_term_width = 100,
    arg_required_else_help = true
)]
pub struct Cli {
    /// Print what each exit code means
    #[arg(long)]
    pub exit_codes: bool,
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Options that every command takes.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Options for every command")]
pub struct Global {
    /// Keep everything under DIR (or set NIGHTLATCH_HOME)
    #[arg(long, global = true, value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// The account meant, where it is not the one that signed in last (or set NIGHTLATCH_ACCOUNT)
    #[arg(long, global = true, value_name = "EMAIL")]
    pub account: Option<String>,
    /// Data on stdout, and errors on stderr, as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Say nothing but data and errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say what is going on, to stderr (twice: more)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Never ask for anything
    #[arg(short, long, global = true)]
    pub non_interactive: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create an account
    Register(Register),
    /// Sign in; the session locks itself 15 minutes after you stop
    #[command(aliases = ["unlock", "signin", "sign-in"])]
    Login(Login),
    /// End every session, at once and in every terminal, whatever else is broken
    #[command(
        after_help = "Example:\n  nightlatch lock\n\nEnds the sessions of all accounts of this home and asks for no password. Works also with a mistake in the\nconfiguration; it destroys the keys first and then reports what is wrong.\nExit codes: 0 also when nobody was signed in; 1 when a key or file is still there; 7 when the end is not on record."
    )]
    Lock,
    /// End the session of one account, at once and in every terminal
    #[command(aliases = ["signout", "sign-out"])]
    Logout(Logout),
    /// Show whether there is a live session, and for how long; changes nothing
    Status(Status),
    /// Count as activity: start the idle time anew
    #[command(
        after_help = "Example:\n  nightlatch extend && ./long-report\n\nExit codes: 4 without a live session."
    )]
    Extend,
    /// Print the signed-in email
    #[command(
        after_help = "Example:\n  git config user.email \"$(nightlatch whoami)\"\n\nExit codes: 4 without a live session."
    )]
    Whoami,
    /// Run a command if, and only if, there is a live session
    #[command(visible_alias = "run")]
    Exec(Exec),
    /// Print shell code that guards commands and shows the time left at the prompt
    Hook(Hook),
    /// Change the password; ends the account's sessions
    Passwd(Passwd),
    /// Look at the audit log
    #[command(args_conflicts_with_subcommands = true)]
    Audit(Box<Audit>),
    /// Show the settings in force, or check the configuration file
    Config(Config),
    /// Tell what is right and what is wrong with this installation; changes nothing
    #[command(
        after_help = "Examples:\n  nightlatch doctor\n  nightlatch doctor --json\n\nChanges nothing, and works with no home, account or usable configuration.\nExit codes: 0 when nothing failed, also with warnings; 1 when anything did."
    )]
    Doctor,
    /// Show all of it in a scratch home, on the real program, in under a minute
    #[command(after_help = "Example:\n  nightlatch tour")]
    Tour,
    /// Print a script that has a shell complete commands, options, accounts and event types
    Completions(Completions),
    /// Print the manual page, or write all of them to a directory
    Man(Man),
    /// Hold session keys where the kernel cannot (started by `login`)
    #[command(hide = true)]
    Agent,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nightlatch logout\n  nightlatch logout --account alice@example.com\n\nAsks for no password. `nightlatch lock` ends the sessions of all accounts.\nExit codes: 0 also when nobody was signed in; 1 when a key or file is still there; 7 when the end is not on record."
)]
pub struct Logout {
    /// End the sessions of all accounts of this home, as `lock` does
    #[arg(long)]
    pub all: bool,
}

#[derive(Debug, Default, Args)]
#[command(
    after_help = "Examples:\n  nightlatch status --json\n  nightlatch status --check || nightlatch login\n  nightlatch status --watch\n  PS1='$(nightlatch status --prompt) \\$ '"
)]
pub struct Status {
    /// Print nothing; exit 0 when there is a live session, 4 when there is none
    #[arg(long, group = "instead")]
    pub check: bool,
    /// Count down until the session ends, and exit 4 then
    #[arg(long, group = "instead")]
    pub watch: bool,
    /// Print what a shell prompt shows: when it locks (until 12:41), nothing without a live session
    #[arg(long, group = "instead")]
    pub prompt: bool,
    /// Say in a line that the session ends soon, or that it has ended (what `hook` calls)
    #[arg(long, group = "instead", hide = true)]
    pub notice: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  nightlatch hook bash --install\n\nOr by hand, at the end of that shell's own file:\n  ~/.bashrc                   eval \"$(nightlatch hook bash)\"\n  ~/.zshrc                    eval \"$(nightlatch hook zsh)\"\n  ~/.config/fish/config.fish  nightlatch hook fish | source\n\nWhich commands: `commands = [\"psql\", \"kubectl\"]` under [guard] in the configuration."
)]
pub struct Hook {
    /// The shell that is to read it
    #[arg(value_enum)]
    pub shell: HookShell,
    /// Leave the prompt as it is; NIGHTLATCH_PROMPT has the text, to be placed in it by hand
    #[arg(long, conflicts_with = "install")]
    pub no_prompt: bool,
    /// Show the line that takes the hook, and add it to the shell's own file when you say yes
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
#[command(
    after_help = "Examples:\n  nightlatch exec -- psql production\n  nightlatch exec --min-remaining 10m -- ./deploy.sh\n\nExit codes: the command's own (or dies of its signal); 126 not executable; 127 not found."
)]
pub struct Exec {
    /// Refuse, with 3, when the session would end sooner than this
    #[arg(long, value_name = "D", value_parser = duration)]
    pub min_remaining: Option<Duration>,
    /// Do not count as activity
    #[arg(long)]
    pub no_extend: bool,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nightlatch audit --since 2h\n  nightlatch audit list --event LOGIN_FAILURE --format csv\n  nightlatch audit list --failed --follow"
)]
pub struct Audit {
    #[command(subcommand)]
    pub command: Option<AuditCommand>,
    #[command(flatten)]
    pub list: AuditList,
}

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// List events (what `audit` alone does)
    List(AuditList),
    /// Write every event that matches, for another program
    Export(AuditExport),
    /// Count events: by type, account and hour, over time; the longest sessions
    Stats(AuditStats),
    /// Write a page to look at, with charts and the result of verification
    Report(AuditReport),
    /// Check the log for tampering; exit 7 when it does not verify
    Verify(AuditVerify),
    /// Print the log's fingerprint, to be noted elsewhere: with it anybody can verify the log
    #[command(
        after_help = "Example:\n  nightlatch audit fingerprint\n\nRecords nothing. Exit codes: 7 when there is no log."
    )]
    Fingerprint,
    /// Print the event that was sealed last, to be noted elsewhere: with it a cut or set-back log shows
    #[command(
        after_help = "Examples:\n  nightlatch audit anchor\n  nightlatch audit anchor --json | ssh vault 'cat >anchor.json'\n\n`audit verify --anchor` reads what --json prints. Records nothing. Exit codes: 7 when there is no log."
    )]
    Anchor,
    /// Remove events that are older than the configured retention
    Prune(AuditPrune),
    /// Keep everything for a legal case: while a hold is in force, nothing is removed
    Hold(AuditHold),
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nightlatch audit verify\n  nightlatch audit verify --fingerprint F --anchor anchor.json /mnt/copy/audit\n  journalctl -o cat | nightlatch audit verify --anchors - --retention 90d\n\nWith DIR it needs no account and no other file of the home. It writes and records nothing.\nExit codes: 0 when nothing is wrong; 7 when anything is, or there is no log."
)]
pub struct AuditVerify {
    #[command(flatten)]
    pub noted: Noted,
    /// Run the command of `on_tamper` in the configuration when the log does not verify
    #[arg(long, conflicts_with = "directory")]
    pub alert: bool,
    /// Check the chain, but leave out the seals inside files that are closed
    #[arg(long)]
    pub fast: bool,
    /// The directory with the log's files, or a copy of it; by default that of the home
    #[arg(value_name = "DIR")]
    pub directory: Option<PathBuf>,
}

/// What was noted of the log before, to compare it with.
#[derive(Debug, Args)]
pub struct Noted {
    /// The fingerprint that was noted when the log began: 64 hexadecimal digits
    #[arg(long, value_name = "F")]
    pub fingerprint: Option<String>,
    /// What `audit anchor --json` printed at another time; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub anchor: Option<PathBuf>,
    /// Many anchors: JSON lines, or a system log as it is; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub anchors: Option<PathBuf>,
    /// Find events that were removed sooner than D after the last of them, such as 90d
    #[arg(long, value_name = "D", value_parser = humantime::parse_duration)]
    pub retention: Option<std::time::Duration>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nightlatch audit list --since 2h\n  nightlatch audit list --user alice@example.com --failed --json\n  nightlatch audit list --event LOGIN_FAILURE --event ACCOUNT_LOCKED --follow\n\nThat the log was read is recorded, once."
)]
pub struct AuditList {
    #[command(flatten)]
    pub filters: AuditFilters,
    /// At most this many, the newest: 1 to 1000. In a table a command counts once
    #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub limit: u16,
    /// How to print them
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Go on printing events as they come
    #[arg(long)]
    pub follow: bool,
    /// In a table: with all ids and columns, however wide
    #[arg(long)]
    pub wide: bool,
    /// Print a long table without a pager ($NIGHTLATCH_PAGER, $PAGER, else less -FRX)
    #[arg(long)]
    pub no_pager: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nightlatch audit export --format ocsf --since 2026-11-01 >november.jsonl\n  nightlatch audit export --format ecs --failed | gzip >failures.ndjson.gz\n  nightlatch audit export --follow --after 4711 | ssh collector 'cat >>log.jsonl'\n\nExit codes: 7 when the log ends before SEQ: it was set back."
)]
pub struct AuditExport {
    #[command(flatten)]
    pub filters: AuditFilters,
    /// In which form, one JSON object a line
    #[arg(long, value_enum, default_value = "jsonl")]
    pub format: ExportForm,
    /// Only events with a number greater than SEQ: the last one that was received, or 0
    #[arg(long, value_name = "SEQ")]
    pub after: Option<u64>,
    /// Go on exporting events as they come
    #[arg(long, requires = "after")]
    pub follow: bool,
}

/// In which form events are exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportForm {
    /// Open Cybersecurity Schema Framework 1.3.0
    Ocsf,
    /// Elastic Common Schema 8.17.0
    Ecs,
    /// The log's own lines, to the byte
    Jsonl,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nightlatch audit stats\n  nightlatch audit stats --since 30d --json"
)]
pub struct AuditStats {
    #[command(flatten)]
    pub filters: AuditFilters,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nightlatch audit report --html report.html\n  nightlatch audit report --html - --since 30d > month.html\n\nExit codes: 7 when the log does not verify; the page is written all the same, and says what is wrong."
)]
pub struct AuditReport {
    /// Write the page to FILE, for you alone to read; - is standard output
    #[arg(long, required = true, value_name = "FILE")]
    pub html: PathBuf,
    #[command(flatten)]
    pub noted: Noted,
    #[command(flatten)]
    pub filters: AuditFilters,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nightlatch audit prune --dry-run\n  nightlatch audit prune\n\nRemoves whole files, records it first, and what remains still verifies. `login` does the same after it signed in.\nThe retention is `retention` under [audit] in the configuration: 90 days unless set, 400 with the policy \"pci\".\nWhile a legal hold is in force nothing is removed; see nightlatch audit hold."
)]
pub struct AuditPrune {
    /// Only show what would be removed
    #[arg(long)]
    pub dry_run: bool,
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
    /// Show each setting with its value and where that came from
    #[command(
        after_help = "Examples:\n  nightlatch config show\n  nightlatch config show --json\n\nExit codes: 1 when the configuration cannot be used; `config check` tells why."
    )]
    Show,
    /// Tell everything that is wrong with the configuration file
    Check(ConfigCheck),
    /// Print where the configuration file is, or would be
    #[command(after_help = "Example:\n  nightlatch config path")]
    Path,
    /// Begin a configuration file that has every setting, commented out
    #[command(
        after_help = "Example:\n  nightlatch config init\n\nExit codes: 3 when there is a file already."
    )]
    Init,
    /// Open the configuration file in $VISUAL or $EDITOR, and check it afterwards
    #[command(
        after_help = "Example:\n  nightlatch config edit\n\nExit codes: 1 when anything is wrong with it."
    )]
    Edit,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nightlatch config check\n  nightlatch config check ./config.toml\n\nChanges nothing. Exit codes: 0 when nothing is wrong; 1 when anything is."
)]
pub struct ConfigCheck {
    /// The file to check; by default the one in use
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nightlatch completions bash >~/.local/share/bash-completion/completions/nightlatch\n  nightlatch completions zsh >~/.zfunc/_nightlatch\n  nightlatch completions fish >~/.config/fish/completions/nightlatch.fish\n  nightlatch completions powershell >>$PROFILE\n  nightlatch completions elvish >>~/.config/elvish/rc.elv\n\nThe script asks `nightlatch`, as found in PATH, each time; that asks and records nothing."
)]
pub struct Completions {
    /// The shell that is to complete
    #[arg(value_enum)]
    pub shell: Shell,
    /// Write the script where the shell looks for it, when you say yes: bash, zsh, fish
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
    /// Write a page for the program and one for each command into DIR
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// How events are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// One JSON object with the events and their number
    Json,
    /// The log's own lines, to the byte
    Jsonl,
    /// For a spreadsheet
    Csv,
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write 90s, 10m or 1h30m"))
}

#[cfg(test)]
mod tests;
