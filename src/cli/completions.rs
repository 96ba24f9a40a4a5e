//! `completions`: prints the completion script of a shell, and answers the script's queries.
//!
//! The script runs this program with the words typed so far. Answering is read-only: it never
//! prompts, records or creates anything, and silently leaves out what it cannot determine.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, Command, CommandFactory, ValueEnum, ValueHint};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::{Bash, Elvish, EnvCompleter, Fish, Powershell, Zsh};
use nightlatch_audit::EventType;
use nightlatch_local::guard::{Guard, GuardConfig};
use nightlatch_local::session::SessionState;

use super::args::{Cli, Completions, EXISTING_SECRET, Shell};
use super::context::Context;
use super::end::End;
use super::exit::{Code, Failure};
use super::install;
use super::surroundings::Surroundings;
use super::ui::Ui;

/// The maximum number of accounts offered; a person would not choose among more.
const ACCOUNTS: u32 = 1000;

/// `completions`: the script of a shell.
pub fn run(ui: Ui, args: &Completions) -> Result<End, Failure> {
    ui.bytes(script(args.shell).as_bytes())?;
    Ok(End::Done)
}

/// `completions --install`.
pub fn install(context: &Context, args: &Completions) -> Result<End, Failure> {
    install::completion(context, args.shell, script(args.shell))
}

fn script(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => include_str!("../../templates/completions/nightlatch.bash"),
        Shell::Zsh => include_str!("../../templates/completions/nightlatch.zsh"),
        Shell::Fish => include_str!("../../templates/completions/nightlatch.fish"),
        Shell::Powershell => include_str!("../../templates/completions/nightlatch.ps1"),
        Shell::Elvish => include_str!("../../templates/completions/nightlatch.elv"),
    }
}

/// Answers a completion script's query; `None` if there is no query.
///
/// A query requires the variable and the first argument `--`, which is otherwise an error: a
/// variable left in the environment must not turn `status --check` into a success.
pub fn answer(surroundings: &Surroundings) -> Option<ExitCode> {
    let [_, mark, words @ ..] = &surroundings.arguments[..] else {
        return None;
    };
    if mark != "--" {
        return None;
    }
    let shell = surroundings.completing.as_ref()?.to_str()?;
    let shell: &dyn EnvCompleter = match Shell::from_str(shell, false).ok()? {
        Shell::Bash => &Bash,
        Shell::Zsh => &Zsh,
        Shell::Fish => &Fish,
        Shell::Powershell => &Powershell,
        Shell::Elvish => &Elvish,
    };
    if words.is_empty() {
        return Some(ExitCode::from(Code::Usage as u8));
    }
    let home = home_in(words).or_else(|| surroundings.home.clone().map(PathBuf::from));
    let mut command = with_candidates(Cli::command(), home.as_deref());
    let mut answer = Vec::new();
    let here = Some(Path::new("."));
    let answered = shell.write_complete(&mut command, words.to_vec(), here, &mut answer);
    let ui = Ui {
        json: false,
        quiet: true,
        on_terminal: false,
        is_utf8: true,
    };
    let is_said = answered.is_ok() && ui.bytes(&answer).is_ok();
    Some(ExitCode::from(u8::from(!is_said)))
}

/// The home that the words name.
fn home_in(words: &[OsString]) -> Option<PathBuf> {
    let own = words.iter().take_while(|word| *word != "--");
    let mut own = own.map(|word| word.to_string_lossy());
    while let Some(word) = own.next() {
        if word == "--home" {
            return own.next().map(|value| PathBuf::from(&*value));
        }
        if let Some(value) = word.strip_prefix("--home=") {
            return Some(value.into());
        }
    }
    None
}

/// The command line with the candidates for each argument that the home provides.
fn with_candidates(command: Command, home: Option<&Path>) -> Command {
    let is_register = command.get_name() == "register";
    // The help of `audit` hides arguments that belong to `audit list`.
    let is_audit = command.get_name() == "audit";
    let mut command = command.mut_args(|argument| {
        let is_offered = is_audit && argument.get_id() != "columns";
        let is_hidden = argument.is_hide_set() && !is_offered;
        argument.hide(is_hidden)
    });
    command = command.mut_args(|argument| match argument.get_id().as_str() {
        // A new account cannot have an existing email.
        "email" if is_register => argument.value_hint(ValueHint::EmailAddress),
        "email" | "account" | "user" => from_home(argument, home, accounts),
        "session" => from_home(argument, home, session),
        EXISTING_SECRET | "secrets" | "secret_files" => from_home(argument, home, secret_names),
        "event" => argument.add(ArgValueCandidates::new(event_types)),
        "home" | "dir" | "directory" => argument.value_hint(ValueHint::DirPath),
        "anchor" | "html" => argument.value_hint(ValueHint::FilePath),
        "command" => argument.value_hint(ValueHint::ExecutablePath),
        // Prevents the shell from offering file names.
        _ if argument.get_action().takes_values() => argument.value_hint(ValueHint::EmailAddress),
        _ => argument,
    });
    let names: Vec<_> = command
        .get_subcommands()
        .map(|sub| sub.get_name().to_owned())
        .collect();
    for name in names {
        command = command.mut_subcommand(name, |sub| with_candidates(sub, home));
    }
    command
}

fn from_home(
    argument: Arg,
    home: Option<&Path>,
    candidates: fn(&Guard) -> Vec<CompletionCandidate>,
) -> Arg {
    let home = home.map(Path::to_owned);
    argument.add(ArgValueCandidates::new(move || {
        guard(home.as_deref()).map_or(Vec::new(), |guard| candidates(&guard))
    }))
}

fn guard(home: Option<&Path>) -> Option<Guard> {
    let config = match home {
        Some(home) => GuardConfig::under(home),
        None => GuardConfig::of_environment().ok()?,
    };
    Guard::open_to_look(config).ok()
}

fn accounts(guard: &Guard) -> Vec<CompletionCandidate> {
    let emails = guard.accounts().map(|all| all.emails_at_rest(ACCOUNTS));
    let emails = emails.ok().and_then(Result::ok).unwrap_or_default();
    // The shell may display them unescaped.
    let shown = emails
        .into_iter()
        .filter(|email| super::text::escape(email) == *email);
    shown.map(CompletionCandidate::new).collect()
}

/// The names of secrets, from a live session only; nothing is extended or recorded.
fn secret_names(guard: &Guard) -> Vec<CompletionCandidate> {
    let names = guard.secret_names().unwrap_or_default().into_iter();
    let names = names.map(|name| name.to_string());
    // The shell may display them unescaped.
    let shown = names.filter(|name| super::text::escape(name) == *name);
    shown.map(CompletionCandidate::new).collect()
}

/// The live session; listing others would require reading the whole log.
fn session(guard: &Guard) -> Vec<CompletionCandidate> {
    let status = guard.status().ok();
    let live = status.filter(|status| status.state == SessionState::Active);
    let id = live.and_then(|status| status.session_id);
    id.map(|id| CompletionCandidate::new(id.to_string()).help(Some("the live session".into())))
        .into_iter()
        .collect()
}

fn event_types() -> Vec<CompletionCandidate> {
    let mut candidates = Vec::with_capacity(EventType::ALL.len());
    for known in EventType::ALL {
        let help = known.description().trim_end_matches('.').into();
        candidates.push(CompletionCandidate::new(known.as_str()).help(Some(help)));
    }
    candidates
}
