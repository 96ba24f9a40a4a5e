//! The command `nightlatch-server`. The environment is read here, once.

use std::process::ExitCode;

use nightlatch_server::cli::{self, Surroundings};

#[global_allocator]
static ALLOCATOR: nightlatch_core::memory::WipingAllocator =
    nightlatch_core::memory::WipingAllocator;

#[allow(clippy::disallowed_methods)] // the one place where the environment is read
fn main() -> ExitCode {
    cli::run(&Surroundings {
        arguments: std::env::args_os().collect(),
        variable: |name| std::env::var_os(name),
        program: std::env::current_exe().ok(),
    })
}
