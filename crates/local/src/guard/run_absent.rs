//! Windows, where guarded commands are not supported yet: every start is refused.

#[path = "run/ended.rs"]
mod ended;
#[path = "run/error.rs"]
mod error;

use std::convert::Infallible;
use std::io;
use std::process::Command;

use super::run_options::Orphans;
use crate::mask::Masking;
use nightlatch_core::memory::CoreLimit;

pub use ended::Ended;
pub use error::RunError;

/// A started command; never exists here.
pub struct Started(Infallible);

impl Started {
    /// Cannot be called.
    pub fn id(&self) -> u32 {
        match self.0 {}
    }

    /// Cannot be called.
    pub fn terminal(&self) -> Option<CommandTerminal> {
        match self.0 {}
    }
}

/// The terminal of a command whose output is masked; never exists here.
pub struct CommandTerminal(Infallible);

impl CommandTerminal {
    /// Cannot be called.
    pub fn takes_lines(&self) -> bool {
        match self.0 {}
    }
}

/// A runner; never exists here.
pub struct Runner {
    none: Infallible,
}

impl Runner {
    /// Refuses.
    ///
    /// # Errors
    /// Always [`RunError::Watch`].
    pub fn new() -> Result<Self, RunError> {
        Err(RunError::Watch(io::Error::new(
            io::ErrorKind::Unsupported,
            "commands are not guarded on this platform yet",
        )))
    }

    /// Cannot be called.
    #[must_use]
    pub fn with_orphans(self, _: Orphans) -> Self {
        match self.none {}
    }

    /// Cannot be called.
    pub fn mask(&mut self, _: Masking) {
        match self.none {}
    }

    /// Cannot be called.
    pub fn stop_if_told(&mut self) {
        match self.none {}
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// Never.
    pub fn start(&mut self, _: &mut Command, _: Option<CoreLimit>) -> Result<Started, RunError> {
        match self.none {}
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// Never.
    pub fn start_plain(
        &mut self,
        _: &mut Command,
        _: Option<CoreLimit>,
    ) -> Result<Started, RunError> {
        match self.none {}
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// Never.
    pub fn follow(&mut self, _: Started) -> Result<(Ended, Option<io::Error>), RunError> {
        match self.none {}
    }
}
