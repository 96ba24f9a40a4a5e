//! The program itself, and where it is run.

use std::env::consts::EXE_SUFFIX;
use std::path::PathBuf;

use super::{Case, Finding};
use crate::cli::system::{is_executable, is_same_file};
use crate::cli::terminal::Terminal;

/// Which program this is.
pub fn version(_: &Case) -> Vec<Finding> {
    let linked = if cfg!(target_feature = "crt-static") {
        "statically linked"
    } else {
        "dynamically linked"
    };
    let environment = if cfg!(target_env = "musl") {
        "-musl"
    } else if cfg!(target_env = "gnu") {
        "-gnu"
    } else {
        ""
    };
    let (arch, os) = (std::env::consts::ARCH, std::env::consts::OS);
    let version = env!("CARGO_PKG_VERSION");
    let build = if cfg!(debug_assertions) {
        ", a debug build"
    } else {
        ""
    };
    let found = format!("nightlatch {version}, {arch}-{os}{environment}, {linked}{build}");
    vec![Finding::ok("version", found)]
}

/// Whether the shell finds this very program.
pub fn in_path(case: &Case) -> Vec<Finding> {
    const CHECK: &str = "program";
    let Some(own) = &case.program else {
        return vec![Finding::ok(CHECK, "the system does not tell where it lies")];
    };
    let shown = own.display();
    let finding = match found_in_path(case) {
        Some(found) if is_same_file(&found, own) => {
            Finding::ok(CHECK, format!("{}", found.display()))
        }
        Some(found) => {
            let found = found.display();
            Finding::warn(
                CHECK,
                format!("the shell runs another nightlatch: {found}, and this is {shown}"),
            )
            .advice(format!(
                "put the directory of {shown} first in PATH, or remove {found}"
            ))
        }
        None => Finding::warn(CHECK, format!("{shown} is not in PATH")).advice(
            "put its directory into PATH: shell functions and scripts look there".to_owned(),
        ),
    };
    vec![finding]
}

/// What a shell would run as `nightlatch`.
fn found_in_path(case: &Case) -> Option<PathBuf> {
    std::env::split_paths(case.search_path.as_ref()?)
        .map(|directory| directory.join(format!("nightlatch{EXE_SUFFIX}")))
        .find(|path| std::fs::metadata(path).is_ok_and(|found| is_executable(&found)))
}

/// Whether a password can be asked for.
pub fn terminal(_: &Case) -> Vec<Finding> {
    let found = match Terminal::open() {
        Some(_) => "there is one to ask for passwords on",
        None => "none here; passwords come from --password-stdin or --password-fd",
    };
    vec![Finding::ok("terminal", found)]
}
