//! `secret edit`: a value in the person's editor, through a file in memory.

use std::path::{Path, PathBuf};
use std::process::Command;

use nightlatch::MemoryFile;
use nightlatch::audit::SecretChange;
use nightlatch::memory::SecretBuffer;
use nightlatch::secrets::{SecretStoreError, VALUE_MAX_BYTES};

use super::report::{say_set, shown};
use crate::cli::args::SecretEdit;
use crate::cli::context::Context;
use crate::cli::end::End;
use crate::cli::exit::Failure;
use crate::cli::{search_path, text};

/// Options with which vim keeps no swap file, backup, undo file or history of a value.
const OF_VIM: [&str; 5] = [
    "-n",
    "-i",
    "NONE",
    "--cmd",
    "set nobackup nowritebackup noundofile",
];

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
    let mut editor = editor(context, &path)?;
    let program = editor.get_program().to_string_lossy().into_owned();
    match editor.status() {
        Ok(status) if status.success() => {}
        Ok(status) => {
            return Err(Failure::failed("editor", format!("{program}: {status}"))
                .hint("nothing was changed".to_owned()));
        }
        Err(error) => {
            return Err(
                Failure::failed("editor", format!("cannot run {program}: {error}"))
                    .hint("name one in EDITOR".to_owned()),
            );
        }
    }
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
        Err(nightlatch::memory::ReadSecretError::Io(error)) => Err(Some(error)),
        Err(_) => Err(None),
    }
}

/// The editor, with options that keep it from writing copies, where it is known.
fn editor(context: &Context, path: &Path) -> Result<Command, Failure> {
    let named = context.editor.clone().unwrap_or_else(|| "vi".into());
    let words = text::words(&named.to_string_lossy()).unwrap_or_else(|| vec!["vi".to_owned()]);
    let (program, arguments) = words
        .split_first()
        .ok_or_else(|| Failure::usage("EDITOR names no program"))?;
    let mut editor = Command::new(program);
    editor.args(arguments);
    if is_vim(context, program) {
        editor.args(OF_VIM);
    }
    editor.arg(path);
    Ok(editor)
}

/// Whether the program is vim or Neovim, under whatever name.
fn is_vim(context: &Context, program: &str) -> bool {
    let found = if program.contains('/') {
        Some(PathBuf::from(program))
    } else {
        let path = context.search_path.clone().unwrap_or_default();
        search_path::find(&path, Path::new(program))
    };
    let real = found.and_then(|found| std::fs::canonicalize(found).ok());
    let name = real.as_deref().and_then(Path::file_name);
    name.is_some_and(|name| {
        let name = name.to_string_lossy();
        name.starts_with("vim") || name.starts_with("nvim")
    })
}
