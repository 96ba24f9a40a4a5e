//! The arguments of `audit hold`.

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightlatch audit hold add case-7 --reason \"Smith lawsuit\"
  nightlatch audit hold list
  nightlatch audit hold remove case-7")]
pub struct AuditHold {
    #[command(subcommand)]
    pub command: HoldCommand,
}

#[derive(Debug, Subcommand)]
pub enum HoldCommand {
    /// Add a hold; until it is removed, no event is removed from the log
    #[command(after_help = "\
Example:
  nightlatch audit hold add case-7 --reason \"Smith lawsuit\"

Exit codes: 3 when a hold of this name is in force; 4 without a live session.")]
    Add(HoldAdd),
    /// List the holds in force
    #[command(after_help = "\
Examples:
  nightlatch audit hold list
  nightlatch audit hold list --json")]
    List,
    /// Remove a hold
    #[command(after_help = "\
Example:
  nightlatch audit hold remove case-7

Exit codes: 3 when no hold of this name is in force; 4 without a live session.")]
    Remove(HoldRemove),
}

#[derive(Debug, Args)]
pub struct HoldAdd {
    /// Name of 1 to 64 letters, digits, and . _ -
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Reason, of at most 200 characters
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

#[derive(Debug, Args)]
pub struct HoldRemove {
    /// Name as shown by `audit hold list`
    #[arg(value_name = "NAME")]
    pub name: String,
}
