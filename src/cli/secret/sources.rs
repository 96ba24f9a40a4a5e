//! Files and streams with secrets in them: read into memory for secrets, and written for their owner
//! alone.

use std::fs::File;
use std::io::IsTerminal;
use std::path::Path;

use nightlatch_core::memory::{ReadSecretError, SecretBuffer};

use crate::cli::exit::{Code, Failure};
use crate::cli::private_file;
use crate::cli::ui::Ui;

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

/// How many lines a value has. A line end after the last one begins no other.
pub fn lines(value: &SecretBuffer) -> usize {
    value
        .expose()
        .split_inclusive(|&byte| byte == b'\n')
        .count()
}

/// Removes one line end from the end of a value, if it has one.
pub fn drop_line_end(value: &mut SecretBuffer) {
    if let Some(line) = value.expose().strip_suffix(b"\n") {
        let end = line.strip_suffix(b"\r").unwrap_or(line).len();
        value.truncate(end);
    }
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

/// Where secrets are to be written: standard output, or a file that is checked to be replaceable.
pub struct Output<'a> {
    ui: Ui,
    file: Option<&'a Path>,
}

impl<'a> Output<'a> {
    /// Checks the output before anything is asked, read or recorded for it.
    ///
    /// # Errors
    /// When the file is not a regular one, or standard output is a terminal.
    pub fn checked(ui: Ui, file: Option<&'a Path>) -> Result<Self, Failure> {
        match file {
            Some(path) => private_file::check_replaceable(path)?,
            None if ui.on_terminal => {
                return Err(Failure::usage("standard output is a terminal")
                    .hint("write to a file with -o FILE, or into a pipe".to_owned()));
            }
            None => {}
        }
        Ok(Self { ui, file })
    }

    /// Writes `bytes` there. A new file replaces an old one whole, and only its owner may read it.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(self, bytes: &[u8]) -> Result<(), Failure> {
        match self.file {
            Some(path) => private_file::write(path, bytes),
            None => self.ui.secret(bytes).map(drop),
        }
    }
}
