//! `secret edit`: a value in the person's editor, through a file in memory.

use nightlatch_audit::SecretChange;
use nightlatch_core::memory::SecretBuffer;
use nightlatch_local::guard::{Expected, SecretError, Secrets};
use nightlatch_local::secrets::{NAME_MAX_CHARS, SecretName, SecretStoreError, VALUE_MAX_BYTES};
use nightlatch_platform::fs::MemoryFile;

use super::report::{say_set, shown};
use super::sources;
use crate::cli::args::SecretEdit;
use crate::cli::context::Context;
use crate::cli::editor::{self, Copies};
use crate::cli::end::End;
use crate::cli::exit::Failure;

/// Room for `.edited-99` in a name.
const SUFFIX_CHARS: usize = 10;
/// How many edited values are kept beside one secret.
const MOST_BESIDE: u32 = 99;

pub fn run(context: &Context, args: &SecretEdit) -> Result<End, Failure> {
    let guard = context.guard()?;
    let secrets = guard.secrets()?;
    let before = secrets.get(&args.name, None)?;
    let after = edited(context, &before)?;
    if after.expose() == before.expose() {
        context
            .ui
            .say(&format!("{} is unchanged", shown(&args.name)));
        return Ok(End::Done);
    }
    let expected = Expected::Value(&before);
    match secrets.set_if(&args.name, expected, &after, SecretChange::Edited) {
        Ok(version) => say_set(context, &args.name, version),
        Err(SecretError::Store(SecretStoreError::ChangedMeanwhile { .. })) => {
            Err(set_aside(&secrets, &args.name, &after))
        }
        Err(error) => Err(error.into()),
    }
}

/// Keeps an edited value under another name, because somebody else changed or removed the secret
/// meanwhile. Returns what to report: that, or why it is not kept.
fn set_aside(secrets: &Secrets<'_>, name: &SecretName, value: &SecretBuffer) -> Failure {
    let changed = SecretStoreError::ChangedMeanwhile { name: name.clone() };
    for other in names_beside(name) {
        match secrets.set_if(&other, Expected::Absent, value, SecretChange::Edited) {
            Ok(_) => {
                let message = format!("{changed}; what you edited is kept as {}", shown(&other));
                return Failure::failed("conflict", message)
                    .hint("compare the two, set the right one, and remove the other".to_owned());
            }
            Err(SecretError::Store(SecretStoreError::Exists { .. })) => {}
            Err(error) => return error.into(),
        }
    }
    changed.into()
}

/// Names for what was edited: `NAME.edited`, `NAME.edited-2` and so on.
fn names_beside(name: &SecretName) -> impl Iterator<Item = SecretName> {
    let name: String = name
        .as_str()
        .chars()
        .take(NAME_MAX_CHARS - SUFFIX_CHARS)
        .collect();
    (1..=MOST_BESIDE).filter_map(move |number| {
        let suffix = if number == 1 {
            String::new()
        } else {
            format!("-{number}")
        };
        format!("{name}.edited{suffix}").parse().ok()
    })
}

/// The value as the editor left it.
fn edited(context: &Context, value: &SecretBuffer) -> Result<SecretBuffer, Failure> {
    let failed = |error: std::io::Error| {
        Failure::failed(
            "memory_file",
            format!("cannot make a file in memory: {error}"),
        )
    };
    let file = MemoryFile::with(value.expose(), true).map_err(failed)?;
    let path = file.share().map_err(failed)?;
    editor::edit(context, &path, Copies::Avoided)
        .map_err(|failure| failure.or_hint("nothing was changed"))?;
    let mut after = read_back(&file).map_err(|error| match error {
        Some(error) => failed(error),
        None => SecretStoreError::ValueTooLong.into(),
    })?;
    // An editor ends the last line of what it writes. Several lines in place of one may be a key
    // file, which needs that.
    let had_none = !value.expose().ends_with(b"\n");
    if had_none && (sources::lines(&after) < 2 || sources::lines(value) > 1) {
        sources::drop_line_end(&mut after);
    }
    Ok(after)
}

fn read_back(file: &MemoryFile) -> Result<SecretBuffer, Option<std::io::Error>> {
    use std::io::Seek;
    let mut source = file.file();
    source.rewind().map_err(Some)?;
    let mut value = SecretBuffer::with_capacity(VALUE_MAX_BYTES + 1);
    match value.read_all(source) {
        Ok(()) => Ok(value),
        Err(nightlatch_core::memory::ReadSecretError::Io(error)) => Err(Some(error)),
        Err(_) => Err(None),
    }
}
