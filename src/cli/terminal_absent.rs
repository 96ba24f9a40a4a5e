//! The terminal where none is used yet: Windows.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// No terminal.
pub enum Terminal {}

impl Terminal {
    /// None: how to hide what is typed on this platform's console is not used yet.
    pub fn open() -> Option<Self> {
        None
    }

    /// Cannot be called: there is no terminal.
    #[must_use]
    pub fn taking_escapes(self, _: bool) -> Self {
        match self {}
    }

    /// Cannot be called: there is no terminal.
    pub fn wait_for_turn(&mut self) -> io::Result<()> {
        match *self {}
    }

    /// Cannot be called: there is no terminal.
    pub fn leave_when_resumed(&mut self) {
        match *self {}
    }

    /// Cannot be called: there is no terminal.
    pub fn lent(&self) -> Lent {
        match *self {}
    }

    /// Cannot be called: there is no terminal.
    pub fn is_foreground(&self) -> bool {
        match *self {}
    }
}

/// What another program has taken over of a terminal: nothing.
#[derive(Default)]
pub struct Lent(());

impl Lent {
    /// Waits for nothing.
    #[allow(clippy::unused_self)] // the same face as where there are terminals
    pub fn await_return(&self) {}
}

/// How many columns `stream` has: not told.
pub fn columns<T>(_: T) -> Option<usize> {
    None
}

/// How many lines `stream` has: not told.
pub fn lines<T>(_: T) -> Option<usize> {
    None
}

/// No signal has a name here.
pub fn signal_name(_: i32) -> Option<&'static str> {
    None
}

/// Never set: Ctrl-C ends the program at once.
#[allow(clippy::unnecessary_wraps)] // the same face as where there are signals
pub fn interruption() -> io::Result<Arc<AtomicBool>> {
    Ok(Arc::default())
}

/// Does nothing: there are no signals.
pub fn die_of(_: i32) {}
