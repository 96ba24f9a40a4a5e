//! The arguments of `audit hold`.

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nightlatch audit hold add case-7 --reason \"Smith lawsuit\"\n  nightlatch audit hold list\n  nightlatch audit hold remove case-7"
)]
pub struct AuditHold {
    #[command(subcommand)]
    pub command: HoldCommand,
}

#[derive(Debug, Subcommand)]
pub enum HoldCommand {
    /// Add a hold; until it is removed, nothing is removed from the log
    #[command(
        after_help = "Example:\n  nightlatch audit hold add case-7 --reason \"Smith lawsuit\"\n\nIt is recorded, with the account. Exit codes: 3 when there is one of this name; 4 without a live session."
    )]
    Add(HoldAdd),
    /// List the holds in force
    #[command(
        after_help = "Examples:\n  nightlatch audit hold list\n  nightlatch audit hold list --json\n\nRecords nothing."
    )]
    List,
    /// Remove a hold
    #[command(
        after_help = "Example:\n  nightlatch audit hold remove case-7\n\nIt is recorded, with the account. Exit codes: 3 when there is none of this name; 4 without a live session."
    )]
    Remove(HoldRemove),
}

#[derive(Debug, Args)]
pub struct HoldAdd {
    /// 1 to 64 characters: letters, digits, and . _ -
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Why: at most 200 characters
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

#[derive(Debug, Args)]
pub struct HoldRemove {
    /// As `audit hold list` shows it
    #[arg(value_name = "NAME")]
    pub name: String,
}
