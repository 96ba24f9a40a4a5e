//! The `nightlatch` command. The environment is read here, once.

mod cli;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: nightlatch_core::memory::WipingAllocator =
    nightlatch_core::memory::WipingAllocator;

#[allow(clippy::disallowed_methods)] // the one place where the environment is read
fn main() -> ExitCode {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    cli::run(cli::Surroundings {
        arguments: std::env::args_os().collect(),
        home: variable("NIGHTLATCH_HOME"),
        account: variable("NIGHTLATCH_ACCOUNT"),
        keeper: variable("NIGHTLATCH_KEEPER"),
        path: variable("PATH"),
        completing: variable("NIGHTLATCH_COMPLETE"),
        locale: ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(variable),
        term: variable("TERM"),
        zone: variable("TZ"),
        user_home: variable("HOME"),
        editor: ["VISUAL", "EDITOR"].into_iter().find_map(variable),
        pager: ["NIGHTLATCH_PAGER", "PAGER"].into_iter().find_map(variable),
        wayland: variable("WAYLAND_DISPLAY"),
        x11: variable("DISPLAY"),
        program: || std::env::current_exe().ok(),
    })
}
