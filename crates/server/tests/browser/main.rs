//! The pages in a real browser. Skipped, with a line that says so, where there is no Chromium; the
//! test of accessibility also without axe-core, which `.ci/run` installs.

#![allow(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used
)]

mod accessibility;
#[path = "../../../../tests/behaviour/support/chromium.rs"]
mod chromium;
mod driver;
mod ends;
#[path = "../http/fixture.rs"]
#[allow(dead_code, unused_imports, unused_macros)]
mod fixture;
mod keyboard;
mod person;
#[path = "../support/postgres.rs"]
#[allow(dead_code)]
mod postgres;
