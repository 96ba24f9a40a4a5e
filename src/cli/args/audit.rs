//! The arguments of `audit` and its commands.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::bad_value::number;
use super::{AuditFilters, AuditHold, duration};

// The arguments of a bare `audit` are shown in the help of `audit list`.
#[derive(Debug, Args)]
#[command(
    mut_args = |argument| argument.hide(true),
    after_help = "\
Examples:
  nightlatch audit --since 2h
  nightlatch audit --failed --follow"
)]
pub struct Audit {
    #[command(subcommand)]
    pub command: Option<AuditCommand>,
    #[command(flatten)]
    pub list: AuditList,
}

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// List events, as `audit` alone does
    List(AuditList),
    /// Write all matching events as JSON lines, for another program
    Export(AuditExport),
    /// Count events by type, account and time; show the longest sessions
    Stats(AuditStats),
    /// Write an HTML page with charts and the result of verification
    Report(AuditReport),
    /// Check the log for tampering
    Verify(AuditVerify),
    /// Print the log's fingerprint; keep it elsewhere to verify the log
    #[command(after_help = "\
Example:
  nightlatch audit fingerprint

Exit codes: 7 when there is no log.")]
    Fingerprint,
    /// Print the log's last seal; keep it elsewhere to detect a cut log
    #[command(after_help = "\
Examples:
  nightlatch audit anchor
  nightlatch audit anchor --json | ssh vault 'cat >anchor.json'

Exit codes: 7 when there is no log.")]
    Anchor,
    /// Remove events older than the configured retention
    Prune(AuditPrune),
    /// Manage legal holds, which keep events from being removed
    Hold(AuditHold),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightlatch audit verify
  nightlatch audit verify --fingerprint F --anchor anchor.json /mnt/audit
  journalctl -o cat | nightlatch audit verify --anchors - --retention 90d

Exit codes: 0 when nothing is wrong; 7 when anything is, or there is no log.")]
pub struct AuditVerify {
    #[command(flatten)]
    pub noted: Noted,
    /// Run the configured `on_tamper` command if the log does not verify
    #[arg(long, conflicts_with = "directory")]
    pub alert: bool,
    /// Skip the seals inside closed files; check the chain only
    #[arg(long)]
    pub fast: bool,
    /// Directory with the log or a copy of it (default: the home's)
    #[arg(value_name = "DIR")]
    pub directory: Option<PathBuf>,
}

/// What was noted of the log before, to compare it with.
#[derive(Debug, Args)]
pub struct Noted {
    /// Fingerprint noted when the log began: 64 hex digits
    #[arg(long, value_name = "F")]
    pub fingerprint: Option<String>,
    /// Output of `audit anchor --json` (- for stdin)
    #[arg(long, value_name = "FILE")]
    pub anchor: Option<PathBuf>,
    /// Many anchors: JSON lines or a system log (- for stdin)
    #[arg(long, value_name = "FILE")]
    pub anchors: Option<PathBuf>,
    /// Find events removed within D of their end, such as 90d
    #[arg(long, value_name = "D", value_parser = duration)]
    pub retention: Option<Duration>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightlatch audit list --since 2h
  nightlatch audit list --user alice@example.com --failed --json
  nightlatch audit list --event LOGIN_FAILURE --event ACCOUNT_LOCKED")]
pub struct AuditList {
    /// Newest N, 1 to 1000; a command is one
    #[arg(long, value_name = "N", default_value = "100", value_parser = number(1..=1000u16, "a number from 1 to 1000"))]
    pub limit: u16,
    /// Output format: table, json, jsonl or csv
    #[arg(long, value_enum, hide_possible_values = true)]
    pub format: Option<Format>,
    /// Go on printing events as they come
    #[arg(long)]
    pub follow: bool,
    /// Show all ids and columns in the table
    #[arg(long)]
    pub wide: bool,
    /// Fit the table into N columns where stdout is no terminal (for `tour`)
    #[arg(long, value_name = "N", hide = true)]
    pub columns: Option<usize>,
    /// Do not use $NIGHTLATCH_PAGER, $PAGER or less
    #[arg(long)]
    pub no_pager: bool,
    #[command(flatten)]
    pub filters: AuditFilters,
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

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightlatch audit export --format ocsf --since 2026-11-01 >november.jsonl
  nightlatch audit export --format ecs --failed | gzip >failures.ndjson.gz
  nightlatch audit export --follow --after 4711 | ssh siem 'cat >>log'

Exit codes: 7 when the log ends before SEQ, because it was set back.")]
pub struct AuditExport {
    /// Schema: ocsf, ecs or jsonl
    #[arg(long, value_enum, default_value = "jsonl", hide_possible_values = true)]
    pub format: ExportForm,
    /// Only events after number SEQ, the last one received, or 0
    #[arg(long, value_name = "SEQ", value_parser = number(0u64.., "the number of an event, or 0"))]
    pub after: Option<u64>,
    /// Go on exporting events as they come
    #[arg(long, requires = "after")]
    pub follow: bool,
    #[command(flatten)]
    pub filters: AuditFilters,
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
#[command(after_help = "\
Examples:
  nightlatch audit stats
  nightlatch audit stats --since 30d --json")]
pub struct AuditStats {
    #[command(flatten)]
    pub filters: AuditFilters,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightlatch audit report --html report.html
  nightlatch audit report --html - --since 30d >month.html

Exit codes: 7 when the log does not verify (the page is written anyway).")]
pub struct AuditReport {
    /// Write the page to FILE (- for stdout)
    #[arg(long, required = true, value_name = "FILE")]
    pub html: PathBuf,
    #[command(flatten)]
    pub noted: Noted,
    #[command(flatten)]
    pub filters: AuditFilters,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightlatch audit prune --dry-run
  nightlatch audit prune")]
pub struct AuditPrune {
    /// Show what would be removed, and remove nothing
    #[arg(long)]
    pub dry_run: bool,
}
