//! Why a command could not be run: the system's refusals, told apart.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::io::Errno;

/// Why a command could not be run, or be followed to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// There is no such program.
    #[error("command not found: {}", program.display())]
    NotFound {
        /// The program as it was asked for.
        program: PathBuf,
    },
    /// The program is there, but not the interpreter or loader it needs.
    #[error("cannot run {}: the interpreter it asks for does not exist", program.display())]
    NoInterpreter {
        /// The program as it was asked for.
        program: PathBuf,
    },
    /// The program is a directory.
    #[error("cannot run {}: it is a directory", program.display())]
    IsDirectory {
        /// The program as it was asked for.
        program: PathBuf,
    },
    /// The program may not be executed by this user.
    #[error("cannot run {}: permission denied", program.display())]
    NotExecutable {
        /// The program as it was asked for.
        program: PathBuf,
    },
    /// The system does not know the program's format: a script that does not begin with `#!`.
    #[error("cannot run {}: the system does not know its format", program.display())]
    UnknownFormat {
        /// The program as it was asked for.
        program: PathBuf,
    },
    /// The directory the command should start in cannot be entered.
    #[error("cannot run a command in {}: {problem}", directory.display())]
    WorkingDirectory {
        /// That directory.
        directory: PathBuf,
        /// Why not.
        #[source]
        problem: io::Error,
    },
    /// The system refused to start it for another reason.
    #[error("cannot run {}: {problem}", program.display())]
    Io {
        /// The program as it was asked for.
        program: PathBuf,
        /// Why not.
        #[source]
        problem: io::Error,
    },
    /// The command cannot be watched, so it was not started, or its end is unknown.
    #[error("cannot watch over the command: {0}")]
    Watch(#[source] io::Error),
}

impl RunError {
    /// The exit code a shell would report: 127 for a program that is not there, 126 for one that
    /// cannot be run; 1 when it is not about the program.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotFound { .. } => 127,
            Self::NoInterpreter { .. }
            | Self::IsDirectory { .. }
            | Self::NotExecutable { .. }
            | Self::UnknownFormat { .. }
            | Self::Io { .. } => 126,
            Self::WorkingDirectory { .. } | Self::Watch(_) => 1,
        }
    }

    /// What the person can do about it, when there is something.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotFound { .. } => {
                "check its spelling; shell aliases, functions and builtins need: sh -c '...'"
                    .to_owned()
            }
            Self::NoInterpreter { program } => {
                format!("see its first line: head -n1 '{}'", program.display())
            }
            Self::NotExecutable { program } => {
                format!("if it should be: chmod u+x '{}'", program.display())
            }
            Self::UnknownFormat { .. } => {
                "a script must begin with a line such as #!/bin/sh".to_owned()
            }
            _ => return None,
        })
    }
}

/// Turns the system's refusal, which names neither the program nor the part that is missing, into
/// what a person can act on.
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
    // A bare name is looked up in PATH by the system; where, it does not say.
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
