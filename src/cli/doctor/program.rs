//! The program itself, and its environment.

use std::env::consts::EXE_SUFFIX;
use std::path::PathBuf;

use nightlatch_local::config::CommandName;

use super::environment::Environment;
use super::finding::Finding;
use crate::cli::install::takes_hook;
use crate::cli::search_path;
use crate::cli::system::{self, is_same_file};
use crate::cli::terminal::Terminal;

/// The startup files of the shells, relative to the user's home directory.
const SHELL_FILES: [&str; 6] = [
    ".bashrc",
    ".bash_profile",
    ".profile",
    ".zshrc",
    ".zprofile",
    ".config/fish/config.fish",
];
/// Larger than any real startup file.
const SHELL_FILE_LIMIT: usize = 1 << 20;

/// The version of this program.
pub fn version(_: &Environment) -> Vec<Finding> {
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

/// Whether the shell finds this program and not another.
pub fn in_path(case: &Environment) -> Vec<Finding> {
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

/// The program that a shell would run as `nightlatch`.
fn found_in_path(case: &Environment) -> Option<PathBuf> {
    let name = format!("nightlatch{EXE_SUFFIX}");
    search_path::find(case.search_path.as_ref()?, name.as_ref())
}

/// Guarded commands that do not exist: if one is misspelt, the intended command is not guarded.
pub fn guarded(case: &Environment) -> Vec<Finding> {
    const CHECK: &str = "guard";
    let (Some(config), Some(path)) = (case.config(), &case.search_path) else {
        return Vec::new();
    };
    let names = config.guarded_commands.iter().map(CommandName::as_str);
    let missing: Vec<_> = names
        .filter(|name| search_path::find(path, name.as_ref()).is_none())
        .collect();
    if config.guarded_commands.is_empty() {
        return Vec::new();
    }
    vec![if missing.is_empty() {
        let found = match config.guarded_commands.len() {
            1 => "1 command is guarded where the hook is taken".to_owned(),
            count => format!("{count} commands are guarded where the hook is taken"),
        };
        Finding::ok(CHECK, found)
    } else {
        let found = format!("not in PATH, and to be guarded: {}", missing.join(", "));
        Finding::warn(CHECK, found).advice("check their spelling under [guard]".to_owned())
    }]
}

/// Commands that have secrets in the configuration, and get none of them when they are typed.
pub fn configured_secrets(case: &Environment) -> Vec<Finding> {
    const CHECK: &str = "guard";
    let Some(config) = case.config().filter(|config| !config.secrets.is_empty()) else {
        return Vec::new();
    };
    let typed = |command| config.guarded_commands.contains(command);
    let commands = config.secrets.iter().map(|entry| &entry.command);
    let (guarded, others): (Vec<_>, Vec<_>) = commands.partition(|command| typed(command));
    vec![match others.first() {
        None => Finding::ok(CHECK, format!("with secrets: {}", names(&guarded))),
        Some(first) => Finding::warn(
            CHECK,
            format!(
                "with secrets, and not under guard.commands: {}",
                names(&others)
            ),
        )
        .advice(format!(
            "add the name there, or run it as: nightlatch exec -- {first}"
        )),
    }]
}

fn names(commands: &[&CommandName]) -> String {
    let names: Vec<_> = commands.iter().map(|command| command.as_str()).collect();
    names.join(", ")
}

/// Whether a shell of this user loads the hook, if commands are guarded.
pub fn hook(case: &Environment) -> Vec<Finding> {
    const CHECK: &str = "hook";
    let Some(user) = &case.user_home else {
        return Vec::new();
    };
    if case
        .config()
        .is_none_or(|config| config.guarded_commands.is_empty())
    {
        return Vec::new();
    }
    let taking: Vec<_> = SHELL_FILES
        .iter()
        .filter(|file| {
            let text = system::read(&user.join(file), SHELL_FILE_LIMIT).unwrap_or_default();
            takes_hook(&text)
        })
        .map(|file| format!("~/{file}"))
        .collect();
    vec![if taking.is_empty() {
        let advice =
            "add it to your shell's own file: nightlatch hook bash --install (or zsh, fish)";
        Finding::warn(
            CHECK,
            "no shell of yours takes it, so nothing is guarded when it is typed",
        )
        .advice(advice.to_owned())
    } else {
        Finding::ok(CHECK, format!("taken in {}", taking.join(", ")))
    }]
}

/// Whether the program can prompt for a password.
pub fn terminal(_: &Environment) -> Vec<Finding> {
    let found = match Terminal::open() {
        Some(_) => "there is one to ask for passwords on",
        None => "none here; passwords come from --password-stdin or --password-fd",
    };
    vec![Finding::ok("terminal", found)]
}
