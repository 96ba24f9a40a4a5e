//! Files and streams with secrets in them: read into memory for secrets, and written for their owner
//! alone.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::Path;

use nightlatch::memory::{ReadSecretError, SecretBuffer};

use crate::cli::context::Context;
use crate::cli::exit::{Code, Failure};

/// The file at `path`, of at most `limit` bytes.
///
/// # Errors
/// When it cannot be read or is longer.
#[allow(clippy::disallowed_methods)] // a file of the person's choice, and nothing of ours
pub fn file(path: &Path, limit: usize) -> Result<SecretBuffer, Failure> {
    let shown = path.display().to_string();
    let file = File::open(path).map_err(|error| unread(&shown, &error))?;
    // Locked memory is scarce: take no more than a regular file needs.
    let length = file.metadata().ok().filter(std::fs::Metadata::is_file);
    let length = length.and_then(|found| usize::try_from(found.len()).ok());
    let mut text =
        SecretBuffer::with_capacity(length.map_or(limit, |length| length.min(limit)) + 1);
    whole(&shown, limit, text.read_all(file))?;
    Ok(text)
}

/// Standard input to its end, of at most `limit` bytes.
///
/// # Errors
/// When it is a terminal, cannot be read, or is longer.
pub fn standard_input(limit: usize) -> Result<SecretBuffer, Failure> {
    if std::io::stdin().is_terminal() {
        return Err(
            Failure::usage("standard input is a terminal, which shows what is typed")
                .hint("name a file, or put one in: <FILE".to_owned()),
        );
    }
    let mut text = SecretBuffer::with_capacity(limit + 1);
    whole("standard input", limit, text.read_all(std::io::stdin()))?;
    Ok(text)
}

fn whole(source: &str, limit: usize, read: Result<(), ReadSecretError>) -> Result<(), Failure> {
    match read {
        Ok(()) => Ok(()),
        Err(ReadSecretError::Io(error)) => Err(unread(source, &error)),
        Err(_) => Err(Failure::new(
            Code::Refused,
            "too_long",
            format!("{source} is longer than {limit} bytes"),
        )),
    }
}

fn unread(source: &str, error: &std::io::Error) -> Failure {
    Failure::failed("file", format!("cannot read {source}: {error}"))
}

/// Writes to the file, or to standard output. A new file replaces an old one whole, and only its
/// owner may read it.
///
/// # Errors
/// When it cannot be written, or standard output is a terminal.
pub fn write(context: &Context, output: Option<&Path>, bytes: &[u8]) -> Result<(), Failure> {
    let Some(path) = output else {
        if context.ui.on_terminal {
            return Err(Failure::usage("standard output is a terminal")
                .hint("write to a file with -o FILE, or into a pipe".to_owned()));
        }
        context.ui.secret(bytes)?;
        return Ok(());
    };
    let failed = |error: std::io::Error| {
        Failure::failed("file", format!("cannot write {}: {error}", path.display()))
    };
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    let dir = dir.unwrap_or(Path::new("."));
    // Its mode is 0600 from the beginning.
    let mut new = tempfile::NamedTempFile::new_in(dir).map_err(failed)?;
    new.write_all(bytes).map_err(failed)?;
    new.as_file().sync_all().map_err(failed)?;
    new.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
