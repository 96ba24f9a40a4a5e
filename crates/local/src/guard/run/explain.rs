//! Explains why the system refused to start a command.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::io::Errno;

use super::RunError;

/// Turns the system's error, which names neither the program nor the missing part, into one that
/// the user can act on.
pub(super) fn explain(command: &Command, problem: io::Error) -> RunError {
    let program = PathBuf::from(command.get_program());
    let directory = command.get_current_dir();
    if let Some(directory) = directory
        && let Err(problem) = rustix::fs::access(directory.join("."), rustix::fs::Access::EXEC_OK)
    {
        return RunError::WorkingDirectory {
            directory: directory.to_owned(),
            problem: problem.into(),
        };
    }
    // The system looks up a bare name in PATH, and does not say where it found it.
    let is_path = program.as_os_str().as_encoded_bytes().contains(&b'/');
    let place = directory.unwrap_or(Path::new("")).join(&program);
    match Errno::from_io_error(&problem) {
        Some(Errno::NOENT) if is_path && place.exists() => RunError::NoInterpreter { program },
        Some(Errno::NOENT | Errno::NOTDIR) => RunError::NotFound { program },
        Some(Errno::ACCESS) if is_path && place.is_dir() => RunError::IsDirectory { program },
        Some(Errno::ACCESS) => RunError::NotExecutable { program },
        Some(Errno::NOEXEC) => RunError::UnknownFormat { program },
        _ => RunError::Io { program, problem },
    }
}
