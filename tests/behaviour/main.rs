//! What the program does, seen from outside.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::panic
)]

mod support;

mod library;
mod main_job;
mod prompt;
mod run;
