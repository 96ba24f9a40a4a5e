//! Terminals whose output is masked, where there are none yet: on every system but Linux.

use std::convert::Infallible;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::process::Command;
use std::sync::Arc;

use rustix::process::Pid;
use rustix::termios::tcgetsid;

use super::ended::Ended;
use super::filter::Filter;
use crate::guard::signals::{Catch, Caught};

/// The controlling terminal of this process.
pub(super) struct OuterTerminal(());

impl OuterTerminal {
    #[allow(clippy::unnecessary_wraps)] // the same signature as on Linux
    pub(super) fn open() -> Option<Self> {
        Some(Self(()))
    }

    /// Whether `stream` is this terminal.
    #[allow(clippy::unused_self)] // as above
    pub(super) fn is(&self, stream: BorrowedFd<'_>) -> bool {
        let own = rustix::process::getsid(None);
        matches!((tcgetsid(stream), own), (Ok(one), Ok(own)) if one == own)
    }
}

/// A terminal for a command; never exists here.
pub(super) struct NewTerminal {
    none: Infallible,
}

impl NewTerminal {
    /// Refuses: output on a terminal cannot be masked here.
    pub(super) fn give(_: &mut Command, _: OuterTerminal, _: (bool, bool)) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Cannot be called.
    pub(super) fn started(self, _: Pid) -> io::Result<Relay> {
        match self.none {}
    }
}

/// A running command on a terminal of its own; never exists here.
pub(super) struct Relay(Infallible);

impl Relay {
    /// Cannot be called.
    pub(super) fn command(&self) -> Pid {
        match self.0 {}
    }

    /// Cannot be called.
    pub(super) fn master(&self) -> Arc<OwnedFd> {
        match self.0 {}
    }

    /// Cannot be called.
    pub(super) fn follow(
        &mut self,
        _: &mut Catch,
        _: Vec<Caught>,
        _: &[Filter],
        _: bool,
    ) -> io::Result<Ended> {
        match self.0 {}
    }
}
