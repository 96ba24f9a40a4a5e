//! The arguments of `secret` and `inject`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use nightlatch_local::secrets::{GENERATED_LENGTHS, SecretName};

use super::accounts::PasswordSource;
use super::bad_value::{BadValue, number};
use super::duration;
use super::secret_binding::secret_name;

/// The id of an argument that names a secret which exists.
pub const EXISTING_SECRET: &str = "secret";

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
    /// Take over the secrets of a file or of pass
    Import(SecretImport),
    /// Print all secrets, after asking for the password again
    Export(SecretExport),
    /// Fill the secrets that a template names into it
    Inject(Inject),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightlatch secret set prod/db
  nightlatch secret set deploy-key --file ./id_ed25519
  pass show db | nightlatch secret set prod/db --stdin
  nightlatch secret set session-key --generate 48

A value has 1 to 65,536 bytes of any kind; at the prompt it is one line.
With --stdin a single line loses its line end; --file takes the file as it is.
Exit codes: 3 a name that differs only in case is taken, or the value is
empty, too long or not the same twice; 4 no live session.")]
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
  nightlatch secret get prod/db --copy

Adds no line end. --copy uses wl-copy, xclip or the terminal (OSC 52).
Exit codes: 1 no clipboard; 3 no such secret or version; 4 no live session.")]
pub struct SecretGet {
    /// Name of the secret
    #[arg(id = EXISTING_SECRET, value_name = "NAME", value_parser = secret_name)]
    pub name: SecretName,
    /// An older version; see `secret history`
    #[arg(long = "version", value_name = "N", value_parser = number(1_u64.., VERSION))]
    pub version: Option<u64>,
    /// Copy it to the clipboard instead, and clear that after 45s
    #[arg(long)]
    pub copy: bool,
    /// Clear the clipboard after D, from 1s to 10m
    #[arg(long, value_name = "D", requires = "copy", value_parser = clear_after)]
    pub clear_after: Option<Duration>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nightlatch secret show prod/db\n  nightlatch secret show prod/db --json\n\nExit codes: 3 no such secret; 4 no live session."
)]
pub struct SecretShow {
    /// Name of the secret
    #[arg(id = EXISTING_SECRET, value_name = "NAME", value_parser = secret_name)]
    pub name: SecretName,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  nightlatch secret rename db prod/db\n\nExit codes: 3 no such secret, or the new name is taken; 4 no live session."
)]
pub struct SecretRename {
    /// Name of the secret
    #[arg(id = EXISTING_SECRET, value_name = "NAME", value_parser = secret_name)]
    pub name: SecretName,
    /// Its new name
    #[arg(value_name = "NEW", value_parser = secret_name)]
    pub new: SecretName,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightlatch secret rm old-token
  nightlatch secret rm old-token --yes

It cannot be brought back: the values are overwritten.
Exit codes: 1 not agreed to; 3 no such secret; 4 no live session.")]
pub struct SecretRm {
    /// Name of the secret
    #[arg(id = EXISTING_SECRET, value_name = "NAME", value_parser = secret_name)]
    pub name: SecretName,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  nightlatch secret edit deploy-config

The editor gets a file in memory; tell it not to keep copies of its own.
If the secret was changed meanwhile, what you edited is kept as NAME.edited.
Exit codes: 1 the editor failed, or the secret was changed meanwhile; 3 no
such secret; 4 no live session.")]
pub struct SecretEdit {
    /// Name of the secret
    #[arg(id = EXISTING_SECRET, value_name = "NAME", value_parser = secret_name)]
    pub name: SecretName,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  nightlatch secret history prod/db\n\nThe last 10 versions are kept.\nExit codes: 3 no such secret; 4 no live session."
)]
pub struct SecretHistory {
    /// Name of the secret
    #[arg(id = EXISTING_SECRET, value_name = "NAME", value_parser = secret_name)]
    pub name: SecretName,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  nightlatch secret restore prod/db 3\n\nIt becomes a new version; none is lost.\nExit codes: 3 no such secret or version; 4 no live session."
)]
pub struct SecretRestore {
    /// Name of the secret
    #[arg(id = EXISTING_SECRET, value_name = "NAME", value_parser = secret_name)]
    pub name: SecretName,
    /// The version, as `secret history` lists it
    #[arg(value_name = "N", value_parser = number(1_u64.., VERSION))]
    pub version: u64,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightlatch secret import --format env .env
  nightlatch secret import --format aws ~/.aws/credentials
  nightlatch secret import --format pass

Says on stderr what was not taken, by line. Secrets that are there already
stay as they are without --replace. pass is decrypted by gpg.
Exit codes: 1 something was not taken; 4 no live session.")]
pub struct SecretImport {
    /// What the file is
    #[arg(long, value_enum)]
    pub format: ImportFormat,
    /// File, or the directory of pass (default: standard input; ~/.password-store)
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Set new versions of secrets that are there already
    #[arg(long)]
    pub replace: bool,
}

/// What secrets can be taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ImportFormat {
    Env,
    Json,
    Aws,
    Pass,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightlatch secret export --format json -o secrets.json
  nightlatch secret export --format env -o .env

Without -o it prints them, but not on a terminal. FILE is yours alone (0600).
Exit codes: 1 a secret does not fit the format; 4 no live session;
5 wrong password; 6 locked out.")]
pub struct SecretExport {
    /// What to write; env has only secrets whose names are variables
    #[arg(long, value_enum)]
    pub format: TextFormat,
    /// Write to FILE instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub password: PasswordSource,
}

/// What secrets can be written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TextFormat {
    Json,
    Env,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightlatch secret inject -i config.tpl -o config.yml
  echo 'token: {{ nightlatch://api/token }}' | nightlatch secret inject

FILE is yours alone (0600). Other double braces are left as they are.
Exit codes: 3 a broken reference, or no such secret; 4 no live session.")]
pub struct Inject {
    /// Template (default: standard input)
    #[arg(short, long, value_name = "FILE")]
    pub input: Option<PathBuf>,
    /// Write to FILE instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

const VERSION: &str = "the number of a version";

fn clear_after(text: &str) -> Result<Duration, BadValue> {
    let range = Duration::from_secs(1)..=Duration::from_secs(600);
    let after = duration(text)?;
    if range.contains(&after) {
        return Ok(after);
    }
    Err(BadValue {
        message: format!("{text} is not from 1s to 10m"),
        hint: None,
    })
}
