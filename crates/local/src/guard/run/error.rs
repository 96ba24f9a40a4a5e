//! Why a command could not be run, by cause.

use std::io;
use std::path::PathBuf;

/// Why a command could not be run or waited for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// There is no such program.
    #[error("command not found: {}", program.display())]
    NotFound {
        /// The program as requested.
        program: PathBuf,
    },
    /// The program exists, but the interpreter or loader that it needs does not.
    #[error("cannot run {}: the interpreter it asks for does not exist", program.display())]
    NoInterpreter {
        /// The program as requested.
        program: PathBuf,
    },
    /// The program is a directory.
    #[error("cannot run {}: it is a directory", program.display())]
    IsDirectory {
        /// The program as requested.
        program: PathBuf,
    },
    /// This user may not execute the program.
    #[error("cannot run {}: permission denied", program.display())]
    NotExecutable {
        /// The program as requested.
        program: PathBuf,
    },
    /// The system does not know the program's format: a script that does not begin with `#!`.
    #[error("cannot run {}: the system does not know its format", program.display())]
    UnknownFormat {
        /// The program as requested.
        program: PathBuf,
    },
    /// The working directory cannot be entered.
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
        /// The program as requested.
        program: PathBuf,
        /// Why not.
        #[source]
        problem: io::Error,
    },
    /// Its output cannot be masked, so it was not started.
    #[error("cannot mask the command's output: {0}")]
    Mask(#[source] io::Error),
    /// The command cannot be waited for, so it was not started, or its end is unknown.
    #[error("cannot watch over the command: {0}")]
    Watch(#[source] io::Error),
}

impl RunError {
    /// The exit code that a shell would report: 127 when the program does not exist, 126 when it
    /// cannot be run; 1 for other causes.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotFound { .. } => 127,
            Self::NoInterpreter { .. }
            | Self::IsDirectory { .. }
            | Self::NotExecutable { .. }
            | Self::UnknownFormat { .. }
            | Self::Io { .. } => 126,
            Self::WorkingDirectory { .. } | Self::Mask(_) | Self::Watch(_) => 1,
        }
    }
}
