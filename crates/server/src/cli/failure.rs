//! Why a command failed.

/// Why a command failed, in one line.
pub type Failure = Box<dyn std::error::Error>;
