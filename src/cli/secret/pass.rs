//! The secrets of pass: a directory of files that gpg decrypts.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nightlatch_core::memory::SecretBuffer;
use nightlatch_local::secrets::{SecretName, VALUE_MAX_BYTES};

use crate::cli::context::Context;
use crate::cli::exit::Failure;

/// What is to be imported, and what could not be read.
#[derive(Default)]
pub struct Found {
    pub items: Vec<(SecretName, SecretBuffer)>,
    pub problems: Vec<String>,
}

/// Under which name the lines after the first one are kept.
const NOTES: &str = "notes";

/// Reads every secret of the directory, or of `~/.password-store`. The first line of a file is the
/// secret; what follows it becomes a secret of its own.
///
/// # Errors
/// When there is no such directory.
pub fn read(context: &Context, directory: Option<&Path>) -> Result<Found, Failure> {
    let default = || context.user_home.clone().map(PathBuf::from);
    let directory = match directory {
        Some(directory) => directory.to_owned(),
        None => default()
            .map(|home| home.join(".password-store"))
            .ok_or_else(|| Failure::usage("name the directory of pass"))?,
    };
    let mut files = Vec::new();
    gather(&directory, "", &mut files).map_err(|error| {
        let message = format!("cannot read {}: {error}", directory.display());
        Failure::failed("file", message)
    })?;
    let mut found = Found::default();
    for (name, path) in files {
        match name.parse::<SecretName>() {
            Err(bad) => found.problems.push(format!("{}: {bad}", path.display())),
            Ok(name) => match decrypted(&path) {
                Ok(text) => add(&mut found, name, &text),
                Err(why) => found.problems.push(format!("{name}: {why}")),
            },
        }
    }
    Ok(found)
}

/// The encrypted files below a directory, by their names in pass, in order.
fn gather(
    directory: &Path,
    prefix: &str,
    files: &mut Vec<(String, PathBuf)>,
) -> std::io::Result<()> {
    let mut entries: Vec<_> = std::fs::read_dir(directory)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        if entry.file_type()?.is_dir() {
            gather(&path, &format!("{prefix}{name}/"), files)?;
        } else if let Some(name) = name.strip_suffix(".gpg") {
            files.push((format!("{prefix}{name}"), path));
        }
    }
    Ok(())
}

fn decrypted(path: &Path) -> Result<SecretBuffer, String> {
    let failed = |error: std::io::Error| format!("cannot run gpg: {error}");
    let mut gpg = Command::new("gpg")
        .args(["--quiet", "--decrypt"])
        .arg(path)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut text = SecretBuffer::with_capacity(VALUE_MAX_BYTES + 1);
    let read = gpg.stdout.take().map(|output| text.read_all(output));
    let status = gpg.wait().map_err(failed)?;
    match read {
        Some(Ok(())) if status.success() => Ok(text),
        Some(Ok(())) | None => Err("gpg could not decrypt it".to_owned()),
        Some(Err(error)) => Err(error.to_string()),
    }
}

fn add(found: &mut Found, name: SecretName, text: &SecretBuffer) {
    let bytes = text.expose();
    let end = bytes.iter().position(|&byte| byte == b'\n');
    let (first, rest) = match end {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &[][..]),
    };
    if !rest.trim_ascii().is_empty() {
        match format!("{name}/{NOTES}").parse() {
            Ok(notes) => found.items.push((notes, SecretBuffer::copy_of(rest))),
            Err(bad) => found.problems.push(format!("{name}: {bad}")),
        }
    }
    if first.is_empty() {
        found
            .problems
            .push(format!("{name}: its first line is empty"));
    } else {
        found.items.push((name, SecretBuffer::copy_of(first)));
    }
}
