//! Errors of prompts.

use std::io;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// A signal arrived. The terminal is restored; release everything, then die of the signal with
    /// [`die_of`](crate::cli::terminal::die_of).
    #[error("interrupted by signal {0}")]
    Interrupted(i32),
    /// The person gave no answer (Ctrl-D), or the terminal was closed.
    #[error("no answer was given")]
    Cancelled,
    /// The answer is too long; nothing of it was kept.
    #[error("the answer is longer than {limit} bytes")]
    TooLong {
        /// The maximum length, in bytes.
        limit: usize,
    },
    /// Another line arrived at once after the answer: a paste of several lines.
    #[error("several lines were pasted, and only one can be typed here")]
    SeveralLines,
    /// The answer is not valid UTF-8.
    #[error("the answer is not valid UTF-8 text")]
    NotText,
    /// This process was stopped and resumed, and the caller wants to check again whether to ask.
    #[error("stopped and resumed")]
    Resumed,
    /// The caller rejected the answer.
    #[error("the answer was not accepted")]
    NotAccepted,
    /// The terminal cannot be used.
    #[error("cannot use the terminal: {0}")]
    Io(#[from] io::Error),
}

impl PromptError {
    /// What the person can do about it, if anything.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Io(_) => Some("without a usable terminal: --password-stdin or --password-fd N"),
            Self::NotText => Some("set the terminal to UTF-8"),
            Self::Interrupted(_)
            | Self::Cancelled
            | Self::Resumed
            | Self::NotAccepted
            | Self::SeveralLines
            | Self::TooLong { .. } => None,
        }
    }
}
