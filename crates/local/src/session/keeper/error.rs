//! Errors of keepers, worded for the user who signs in.

use std::io;

use super::{KeeperKind, PAYLOAD_LENGTH};
use nightlatch_platform::fs::FsError;

/// A keeper's failure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeeperError {
    /// This keeper does not work here at all: the system lacks it, or forbids it (as container
    /// profiles do with the keyring).
    #[error("the {keeper} keeper does not work here: {why}")]
    Unusable {
        /// The keeper that was tried.
        keeper: KeeperKind,
        /// What was tried, and the system's error.
        why: String,
    },
    /// The keeper has no room for another payload.
    #[error("the {keeper} keeper has no room left")]
    Quota {
        /// The keeper that is full.
        keeper: KeeperKind,
    },
    /// No agent runs, and the caller gave no way to start one.
    #[error("no agent is running to hold the session's key")]
    NoAgent,
    /// The agent was started but did not become ready.
    #[error("the agent could not be started: {why}")]
    AgentStart {
        /// How far it got.
        why: String,
    },
    /// The agent runs but did not answer in time: it is stopped, or the machine is overloaded.
    #[error("the agent (process {process}) does not answer")]
    NoAnswer {
        /// Its process id; 0 when it is in another process namespace.
        process: i32,
    },
    /// An agent runs, but its socket is missing: the agent is stopped, or cannot create another
    /// socket.
    #[error("the agent runs, but its socket is gone")]
    NoSocket,
    /// The process on the agent's socket belongs to another user.
    #[error("the agent's socket is served by user {uid}, not by you")]
    ForeignPeer {
        /// The user id of that process.
        uid: u32,
    },
    /// The agent's answer is not valid (from another version, perhaps).
    #[error("the agent's answer cannot be understood")]
    Protocol,
    /// The keeper holds something that is not one of our payloads.
    #[error("the {keeper} keeper holds {length} bytes where {PAYLOAD_LENGTH} should be")]
    Corrupt {
        /// The keeper that was read.
        keeper: KeeperKind,
        /// How many bytes it holds.
        length: usize,
    },
    /// The system refused one operation, though the keeper works here otherwise.
    #[error("cannot {operation}: {source}")]
    System {
        /// The failed operation, as a verb with its object.
        operation: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The directory of the agent's socket cannot be used.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// Neither keeper works, so there is no safe place for the session's key.
    #[error("there is no safe place for the session's key: {kernel}; and {agent}")]
    None {
        /// Why the kernel cannot be used.
        kernel: Box<KeeperError>,
        /// Why the agent cannot be used.
        agent: Box<KeeperError>,
    },
}

impl KeeperError {
    #[cfg(unix)] // there are keepers only here
    pub(super) fn system(operation: &'static str, source: impl Into<io::Error>) -> Self {
        Self::System {
            operation,
            source: source.into(),
        }
    }
}
