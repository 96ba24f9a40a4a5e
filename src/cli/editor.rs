//! The person's editor.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::context::Context;
use super::exit::Failure;
use super::{search_path, text};

/// Options with which vim keeps no swap file, backup, undo file or history of a text.
const OF_VIM: [&str; 5] = [
    "-n",
    "-i",
    "NONE",
    "--cmd",
    "set nobackup nowritebackup noundofile",
];

/// Whether an editor may write copies of the text beside it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Copies {
    Allowed,
    /// Not as far as the editor is known to have options for that.
    Avoided,
}

/// Has the person edit the file, and waits until the editor ends.
///
/// # Errors
/// When there is no such editor, or it reports a failure.
pub fn edit(context: &Context, file: &Path, copies: Copies) -> Result<(), Failure> {
    let named = context.editor.clone().unwrap_or_else(|| "vi".into());
    let words = text::words(&named.to_string_lossy()).unwrap_or_else(|| vec!["vi".to_owned()]);
    let (program, arguments) = words
        .split_first()
        .ok_or_else(|| Failure::usage("EDITOR names no program"))?;
    let mut editor = Command::new(program);
    editor.args(arguments);
    if copies == Copies::Avoided && is_vim(context, program) {
        editor.args(OF_VIM);
    }
    match editor.arg(file).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::failed("editor", format!("{program}: {status}"))),
        Err(error) => Err(
            Failure::failed("editor", format!("cannot run {program}: {error}"))
                .hint("name one in EDITOR".to_owned()),
        ),
    }
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
