//! A command line that does not parse: what is wrong with it, in one line, and where to look.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::exit::{Code, Failure};
use super::ui::Ui;

/// What clap found wrong, or the help that was asked for.
pub fn report(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    // Help and version go to stdout and are no error; a closed pipe is none either.
    if !error.use_stderr() {
        let _ = error.print();
        return ExitCode::from(Code::Done as u8);
    }
    // The arguments did not parse, so look for the flag by hand.
    let json = arguments
        .iter()
        .take_while(|argument| *argument != "--")
        .any(|argument| *argument == "--json");
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand && !json {
        let _ = error.print();
    } else {
        let ui = Ui {
            json,
            quiet: false,
            on_terminal: std::io::stdout().is_terminal(),
            // It draws nothing.
            is_utf8: false,
        };
        ui.failure(&usage_failure(error));
    }
    ExitCode::from(Code::Usage as u8)
}

/// The same error as every other command's: one line, and what to do about it. Of clap's text that
/// is the first paragraph, and its tip where it has one.
fn usage_failure(error: &clap::Error) -> Failure {
    let in_one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = error.render().to_string();
    let mut paragraphs = text.split("\n\n");
    let message = paragraphs.next().unwrap_or_default();
    let (mut tip, mut usage) = (None, None);
    for paragraph in paragraphs.map(str::trim_start) {
        tip = tip.or(paragraph.strip_prefix("tip: "));
        usage = usage.or(paragraph.strip_prefix("Usage: "));
    }
    // The words of a usage line before its options and arguments are the command.
    let is_word = |word: &&str| !word.starts_with(['-', '[', '<']);
    let see = |usage: &str| {
        let command: Vec<_> = usage.split_whitespace().take_while(is_word).collect();
        format!("see {} --help", command.join(" "))
    };
    let meant = error.get(ContextKind::InvalidSubcommand).and_then(meant_by);
    let hint = meant.map_or_else(
        || tip.map_or_else(|| see(usage.unwrap_or("nightlatch")), in_one_line),
        str::to_owned,
    );
    Failure::usage(in_one_line(message.trim_start_matches("error: "))).hint(hint)
}

/// What leads to what a command would do that there is not, where people are known to type it.
fn meant_by(command: &ContextValue) -> Option<&'static str> {
    let ContextValue::String(command) = command else {
        return None;
    };
    Some(match command.as_str() {
        "verify" | "check" => "check the log for tampering: nightlatch audit verify",
        "report" => "write a page about the log: nightlatch audit report --html FILE",
        "stats" => "the log in numbers: nightlatch audit stats",
        "log" | "logs" | "history" | "events" => "what happened: nightlatch audit list",
        "export" => "hand the log to another program: nightlatch audit export",
        "account" | "accounts" | "users" | "user" => {
            "which account is meant: nightlatch config show; another one: nightlatch login EMAIL"
        }
        "signup" | "sign-up" | "init" | "setup" | "create" => {
            "create an account: nightlatch register"
        }
        "password" => "change the password: nightlatch passwd",
        "sudo" | "guard" => "run a command under the guard: nightlatch exec -- COMMAND",
        _ => return None,
    })
}
