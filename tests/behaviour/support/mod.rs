//! What the tests share: a terminal to act from, and programs to act on.

mod driver;
mod pty;

pub use driver::shell;
pub use pty::Pty;
