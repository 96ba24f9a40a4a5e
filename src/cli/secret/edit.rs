//! `secret edit`: a value in the person's editor, through a file in memory.

use nightlatch_audit::SecretChange;
use nightlatch_core::memory::SecretBuffer;
use nightlatch_local::secrets::{SecretStoreError, VALUE_MAX_BYTES};
use nightlatch_platform::fs::MemoryFile;

use super::report::{say_set, shown};
use crate::cli::args::SecretEdit;
use crate::cli::context::Context;
use crate::cli::editor::{self, Copies};
use crate::cli::end::End;
use crate::cli::exit::Failure;

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
    let version = secrets.set_as(&args.name, &after, SecretChange::Edited)?;
    say_set(context, &args.name, version)
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
    read_back(&file).map_err(|error| match error {
        Some(error) => failed(error),
        None => SecretStoreError::ValueTooLong.into(),
    })
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
