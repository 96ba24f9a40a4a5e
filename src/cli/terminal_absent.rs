//! The terminal on Windows, where none is used yet.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// There is no terminal.
pub enum Terminal {}

impl Terminal {
    /// Always `None`: hiding input on the Windows console is not implemented yet.
    pub fn open() -> Option<Self> {
        None
    }

    /// Unreachable: there is no terminal.
    #[must_use]
    pub fn taking_escapes(self, _: bool) -> Self {
        match self {}
    }

    /// Unreachable: there is no terminal.
    pub fn wait_for_turn(&mut self) -> io::Result<()> {
        match *self {}
    }

    /// Unreachable: there is no terminal.
    pub fn write(&self, _: &str) -> io::Result<()> {
        match *self {}
    }

    /// Unreachable: there is no terminal.
    pub fn leave_when_resumed(&mut self) {
        match *self {}
    }

    /// Unreachable: there is no terminal.
    pub fn lent(&self) -> Lent {
        match *self {}
    }

    /// Unreachable: there is no terminal.
    pub fn is_foreground(&self) -> bool {
        match *self {}
    }
}

/// A terminal taken over by another program; never on Windows.
#[derive(Default)]
pub struct Lent(());

impl Lent {
    /// Does not wait.
    #[allow(clippy::unused_self)] // same signature as where there are terminals
    pub fn await_return(&self) {}
}

/// The width of `stream`: unknown.
pub fn columns<T>(_: T) -> Option<usize> {
    None
}

/// The height of `stream`: unknown.
pub fn lines<T>(_: T) -> Option<usize> {
    None
}

/// Signals have no names on Windows.
pub fn signal_name(_: i32) -> Option<&'static str> {
    None
}

/// Never set: Ctrl-C ends the program at once.
#[allow(clippy::unnecessary_wraps)] // same signature as where there are signals
pub fn interruption() -> io::Result<Arc<AtomicBool>> {
    Ok(Arc::default())
}

/// Does nothing: there are no signals.
pub fn die_of(_: i32) {}
