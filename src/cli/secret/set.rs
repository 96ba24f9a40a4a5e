//! `secret set`: a new secret, or a new version of one.

use std::fs::File;
use std::io::IsTerminal;
use std::path::Path;

use nightlatch::audit::SecretChange;
use nightlatch::memory::{ReadSecretError, SecretBuffer};
use nightlatch::secrets::{SecretStoreError, VALUE_MAX_BYTES, generate};

use super::report::say_set;
use crate::cli::args::SecretSet;
use crate::cli::context::Context;
use crate::cli::end::End;
use crate::cli::exit::{Code, Failure};
use crate::cli::password_input::Question;

pub fn run(context: &Context, args: &SecretSet) -> Result<End, Failure> {
    let guard = context.guard()?;
    // Before anybody types a value for nothing.
    let secrets = guard.secrets()?;
    let value = if args.stdin {
        from_stdin()?
    } else if let Some(path) = &args.file {
        from_file(path)?
    } else if let Some(length) = args.generate {
        generate(length).map_err(|error| Failure::failed("random", error.to_string()))?
    } else {
        let _live = guard.require("secret set")?;
        asked(context, args)?
    };
    let how = match args.generate {
        Some(_) => SecretChange::Generated,
        None => SecretChange::Set,
    };
    let version = secrets.set_as(&args.name, &value, how)?;
    say_set(context, &args.name, version)
}

/// One byte more than a value may have, so that a longer one is noticed.
fn buffer() -> SecretBuffer {
    SecretBuffer::with_capacity(VALUE_MAX_BYTES + 1)
}

/// Standard input to its end. A single line loses its line end, which `echo` adds; of several lines,
/// as of a key file, the last one keeps it.
fn from_stdin() -> Result<SecretBuffer, Failure> {
    if std::io::stdin().is_terminal() {
        return Err(
            Failure::usage("--stdin: it is a terminal, which shows what is typed")
                .hint("leave --stdin out, and nightlatch asks for it unseen".to_owned()),
        );
    }
    let mut value = buffer();
    whole("standard input", value.read_all(std::io::stdin()))?;
    if let Some(line) = value.expose().strip_suffix(b"\n")
        && !line.contains(&b'\n')
    {
        let end = line.strip_suffix(b"\r").unwrap_or(line).len();
        value.truncate(end);
    }
    Ok(value)
}

#[allow(clippy::disallowed_methods)] // a file of the person's choice, and nothing of ours
fn from_file(path: &Path) -> Result<SecretBuffer, Failure> {
    let shown = path.display().to_string();
    let file = File::open(path)
        .map_err(|error| Failure::failed("file", format!("cannot read {shown}: {error}")))?;
    let mut value = buffer();
    whole(&shown, value.read_all(file))?;
    Ok(value)
}

fn whole(source: &str, read: Result<(), ReadSecretError>) -> Result<(), Failure> {
    match read {
        Ok(()) => Ok(()),
        Err(ReadSecretError::TooLong { .. }) => Err(SecretStoreError::ValueTooLong.into()),
        Err(error) => {
            let cause =
                std::error::Error::source(&error).map_or(String::new(), ToString::to_string);
            Err(Failure::failed(
                "file",
                format!("cannot read {source}: {cause}"),
            ))
        }
    }
}

/// Asks for the value on the terminal, without showing it.
fn asked(context: &Context, args: &SecretSet) -> Result<SecretBuffer, Failure> {
    let Some(mut terminal) = context.terminal() else {
        return Err(Failure::new(
            Code::Usage,
            "no_terminal",
            "there is no terminal to ask for the value on",
        )
        .hint("hand it in with --stdin or --file, or let --generate make one".to_owned()));
    };
    let question = Question::SecretValue(&args.name).to_string();
    let mut value = terminal.read_password(&question, VALUE_MAX_BYTES)?;
    if value.is_empty() {
        value.truncate(0);
        return Err(SecretStoreError::EmptyValue.into());
    }
    Ok(value)
}
