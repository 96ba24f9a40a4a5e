//! The arguments of `secret` and `inject`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use nightlatch::secrets::{BadSecretName, GENERATED_LENGTHS, SecretName};

use super::bad_value::{BadValue, number};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightlatch secret set prod/db
  nightlatch secret list
  nightlatch secret get prod/db | wc -c

Exit codes: 3 no such secret, or the name is taken; 4 no live session.")]
pub struct Secret {
    #[command(subcommand)]
    pub command: SecretCommand,
}

#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// Set a secret; asks for the value without showing it
    Set(SecretSet),
    /// Print a secret's value, and nothing else
    Get(SecretGet),
    /// List the names, without values
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  nightlatch secret list\n  nightlatch secret list --json\n\nSays when the database was removed or put back.\nExit codes: 4 no live session."
    )]
    List,
    /// Show what is known of a secret, without its value
    Show(SecretShow),
    /// Give a secret another name
    Rename(SecretRename),
    /// Remove a secret with all versions, after asking
    #[command(visible_alias = "remove")]
    Rm(SecretRm),
    /// Change a value in your editor, without a file on disk
    Edit(SecretEdit),
    /// List the versions of a secret
    History(SecretHistory),
    /// Make the value of an older version the current one
    Restore(SecretRestore),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightlatch secret set prod/db
  nightlatch secret set deploy-key --file ./id_ed25519
  pass show db | nightlatch secret set prod/db --stdin
  nightlatch secret set session-key --generate 48

A value has 1 to 65,536 bytes of any kind. --stdin drops the line end of a
single line; --file takes the file as it is.
Exit codes: 3 a name that differs only in case is taken, or the value is
empty or too long; 4 no live session.")]
pub struct SecretSet {
    /// Name, such as prod/db
    #[arg(value_name = "NAME", value_parser = secret_name)]
    pub name: SecretName,
    /// Read the value from standard input
    #[arg(long, group = "source")]
    pub stdin: bool,
    /// Read the value from FILE, byte for byte
    #[arg(long, value_name = "FILE", group = "source")]
    pub file: Option<PathBuf>,
    /// Make a random value of LENGTH letters, digits, - and _
    #[arg(
        long,
        value_name = "LENGTH",
        group = "source",
        num_args = 0..=1,
        default_missing_value = "32",
        value_parser = number(GENERATED_LENGTHS, "a length from 8 to 1024"),
    )]
    pub generate: Option<usize>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightlatch secret get prod/db
  nightlatch secret get prod/db --version 3 >old

Adds no line end.
Exit codes: 3 no such secret or version; 4 no live session.")]
pub struct SecretGet {
    /// Name of the secret
    #[arg(value_name = "NAME", value_parser = secret_name)]
    pub name: SecretName,
    /// An older version; see `secret history`
    #[arg(long = "version", value_name = "N", value_parser = number(1_u64.., VERSION))]
    pub version: Option<u64>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nightlatch secret show prod/db\n  nightlatch secret show prod/db --json\n\nExit codes: 3 no such secret; 4 no live session."
)]
pub struct SecretShow {
    /// Name of the secret
    #[arg(value_name = "NAME", value_parser = secret_name)]
    pub name: SecretName,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  nightlatch secret rename db prod/db\n\nExit codes: 3 no such secret, or the new name is taken; 4 no live session."
)]
pub struct SecretRename {
    /// Name of the secret
    #[arg(value_name = "NAME", value_parser = secret_name)]
    pub name: SecretName,
    /// Its new name
    #[arg(value_name = "NEW", value_parser = secret_name)]
    pub new: SecretName,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nightlatch secret rm old-token\n  nightlatch secret rm old-token --yes\n\nIt cannot be brought back: the values are overwritten.\nExit codes: 1 not agreed to; 3 no such secret; 4 no live session."
)]
pub struct SecretRm {
    /// Name of the secret
    #[arg(value_name = "NAME", value_parser = secret_name)]
    pub name: SecretName,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  nightlatch secret edit deploy-config\n\nThe editor gets a file in memory; tell it not to keep copies of its own.\nExit codes: 1 the editor failed; 3 no such secret; 4 no live session."
)]
pub struct SecretEdit {
    /// Name of the secret
    #[arg(value_name = "NAME", value_parser = secret_name)]
    pub name: SecretName,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  nightlatch secret history prod/db\n\nThe last 10 versions are kept.\nExit codes: 3 no such secret; 4 no live session."
)]
pub struct SecretHistory {
    /// Name of the secret
    #[arg(value_name = "NAME", value_parser = secret_name)]
    pub name: SecretName,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  nightlatch secret restore prod/db 3\n\nIt becomes a new version; none is lost.\nExit codes: 3 no such secret or version; 4 no live session."
)]
pub struct SecretRestore {
    /// Name of the secret
    #[arg(value_name = "NAME", value_parser = secret_name)]
    pub name: SecretName,
    /// The version, as `secret history` lists it
    #[arg(value_name = "N", value_parser = number(1_u64.., VERSION))]
    pub version: u64,
}

const VERSION: &str = "the number of a version";

/// A name on the command line. It is not repeated in the message: people paste values.
fn secret_name(text: &str) -> Result<SecretName, BadValue> {
    text.parse().map_err(|bad: BadSecretName| BadValue {
        message: bad.to_string(),
        hint: Some("a name has up to 200 characters, such as prod/db"),
    })
}
