//! Helpers that tests share: a terminal to type on, and programs to run.

pub mod checks;
pub mod chromium;
pub mod clocks;
pub mod days;
mod driver;
pub mod forbid;
mod home;
pub mod keys;
mod pty;
mod python;
pub mod released;
pub mod scan;
pub mod trace;
mod tree;
pub mod users;

pub use driver::shell;
pub use home::{EMAIL, Home, OTHER_PASSWORD, PASSWORD, Run, files_in, status_of};
pub use pty::Pty;
pub use python::has_python_cryptography;
pub use tree::{contains, tree};
