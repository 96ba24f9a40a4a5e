//! The error type of all file operations: what was tried, on which path, and why it failed.

use std::io;
use std::path::{Path, PathBuf};

/// A file operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {path}: {problem}", path = .path.display())]
pub struct FsError {
    /// The operation, as a verb: "open", "write", "lock".
    pub operation: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// Why it failed.
    #[source]
    pub problem: FsProblem,
}

/// Why a file operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FsProblem {
    /// The system's error.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// There is a symbolic link where our file or directory should be.
    #[error("it is a symbolic link")]
    Symlink,
    /// A symbolic link whose target does not exist.
    #[error("it is a symbolic link that leads nowhere")]
    DanglingLink,
    /// Not a regular file but a FIFO, a device, a directory or the like.
    #[error("it is not a regular file")]
    NotRegular,
    /// Not a directory.
    #[error("it is not a directory")]
    NotDirectory,
    /// It belongs to another user.
    #[error("it belongs to user {owner}, not to you")]
    ForeignOwner {
        /// The owner's user id.
        owner: u32,
    },
    /// Other users may write to it, so its content cannot be trusted.
    #[error("others may write to it (mode {mode:04o})")]
    WritableByOthers {
        /// The permission bits found.
        mode: u32,
    },
    /// Other users may read it.
    #[error("others may look at it (mode {mode:04o})")]
    OpenToOthers {
        /// The permission bits found.
        mode: u32,
    },
    /// The file has more than one hard link.
    #[error("it has {links} hard links")]
    HardLinked {
        /// Its number of links.
        links: u64,
    },
    /// It cannot be closed to other users: this is not implemented on this platform yet.
    #[error("on this platform files cannot be kept private yet, so no home is used")]
    NoPrivateFiles,
    /// Another process held its lock for the whole time limit.
    #[error("{} has held its lock for half a minute", holder(*.by))]
    Held {
        /// The process, if the system says which.
        by: Option<i32>,
    },
    /// The operation would change it, but the directory was opened read-only.
    #[error("it is only looked at")]
    OnlyLookedAt,
    /// The directory would become a home, but has other contents.
    #[error("it has other files in it and is no home of Nightlatch")]
    NotAHome,
    /// Longer than anything we write there.
    #[error("it is longer than {limit} bytes")]
    TooLong {
        /// The most bytes accepted.
        limit: usize,
    },
}

fn holder(by: Option<i32>) -> String {
    by.map_or_else(
        || "another process".to_owned(),
        |process| format!("process {process}"),
    )
}

impl FsError {
    /// Creates an error from the operation (worded to precede a path: "read", "write to"), the path
    /// and the problem.
    pub fn new(
        operation: &'static str,
        path: impl AsRef<Path>,
        problem: impl Into<FsProblem>,
    ) -> Self {
        Self {
            operation,
            path: path.as_ref().to_owned(),
            problem: problem.into(),
        }
    }

    /// The kind of the system's error, if it is one.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        match &self.problem {
            FsProblem::Io(error) => Some(error.kind()),
            _ => None,
        }
    }
}
