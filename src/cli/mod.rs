//! The command line: one file per command, each written as a story from top to bottom.

mod account;
mod args;
mod audit;
mod completions;
mod config;
mod config_file;
mod context;
mod doctor;
mod editor;
mod end;
mod ending;
mod exec;
mod exit;
mod exit_codes;
mod export;
mod fast_args;
mod hints;
mod hold;
mod hook;
mod install;
mod local_time;
mod lock;
mod login;
mod man;
mod origin;
mod pager;
mod passwd;
mod password_input;
mod private_file;
mod progress;
#[cfg(unix)]
mod prompt;
#[cfg(windows)]
#[path = "prompt_absent.rs"]
mod prompt;
mod prune;
mod recover;
mod register;
mod report;
mod revoke;
mod search_path;
mod secret;
mod session;
mod session_state;
mod sessions;
mod stats;
mod surroundings;
#[cfg(unix)]
mod system;
#[cfg(windows)]
#[path = "system_windows.rs"]
mod system;
mod table;
#[cfg(unix)]
mod terminal;
#[cfg(windows)]
#[path = "terminal_absent.rs"]
mod terminal;
mod text;
mod tour;
mod ui;
mod usage;
mod watch;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use nightlatch_core::memory::harden;
use nightlatch_local::guard::signals::survive_file_size_limit;

use args::{Cli, Command};
use context::{Given, context};
use end::End;
use exit::Failure;
pub use surroundings::Surroundings;
use ui::Ui;

/// Runs the command line and returns the exit code for `main`.
pub fn run(surroundings: Surroundings) -> ExitCode {
    if let Some(code) = completions::answer(&surroundings) {
        return code;
    }
    let core_limit = harden();
    let cli = match fast_args::parse(&surroundings.arguments)
        .map_or_else(|| Cli::try_parse_from(&surroundings.arguments), Ok)
    {
        Ok(cli) => cli,
        Err(error) => return usage::report(&error, &surroundings.arguments),
    };
    let ui = Ui {
        json: cli.global.json,
        quiet: cli.global.quiet,
        on_terminal: std::io::stdout().is_terminal(),
        is_utf8: surroundings.is_utf8(),
    };
    init_tracing(cli.global.verbose);
    // Read-only commands never hit SIGXFSZ; skip the handler, which costs time.
    if !matches!(cli.command, Some(Command::Status(_) | Command::Whoami)) {
        // Best effort: without the handler the signal kills this process, and no command starts
        // either.
        let _ = survive_file_size_limit();
    }
    let result = match cli.command {
        _ if cli.exit_codes => exit_codes::print(ui),
        None => {
            Err(Failure::usage("no command was given").hint("see nightlatch --help".to_owned()))
        }
        Some(command) => {
            let given = Given {
                ui,
                global: cli.global,
                surroundings,
                core_limit,
            };
            dispatch(given, command)
        }
    };
    match result {
        Ok(End::Done) => ExitCode::SUCCESS,
        Ok(End::Code(code)) => ExitCode::from(code),
        Ok(End::Signal(signal))
        | Err(Failure {
            signal: Some(signal),
            ..
        }) => end_by(signal),
        Err(failure) => {
            ui.failure(&failure);
            ExitCode::from(failure.code as u8)
        }
    }
}

/// Dies of `signal`, so that the shell sees it and a loop stops at Ctrl-C. By now all secrets are
/// wiped, the terminal is restored, and core dumps are disabled. If the signal does not end the
/// process, the exit code reports it.
fn end_by(signal: i32) -> ExitCode {
    // A SIGKILL would make people look for its sender, or for a lack of memory.
    if signal != SIGKILL {
        terminal::die_of(signal);
    }
    ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX))
}

/// The signal that cannot be caught; the number is the same on every system.
const SIGKILL: i32 = 9;

fn dispatch(given: Given, command: Command) -> Result<End, Failure> {
    match command {
        Command::Status(args) => session::status(&context(given)?, &args),
        Command::Extend => session::extend(&context(given)?),
        Command::Whoami => session::whoami(&context(given)?),
        Command::Sessions => sessions::run(&context(given)?),
        Command::Exec(args) => exec::run(&context(given)?, &args),

        Command::Register(args) => register::run(&context(given)?, &args),
        Command::Login(args) => login::run(&context(given)?, &args),
        // These must work even if no other command does.
        Command::Lock => lock::lock(given),
        Command::Logout(args) if args.all => lock::lock(given),
        Command::Logout(_) => lock::logout(given),
        Command::Inject(args) => secret::inject::run(&context(given)?, &args),
        Command::Secret(args) => secret::run(&context(given)?, &args.command),
        Command::Revoke(args) => revoke::run(given, &args),
        Command::Hook(args) => hook::run(&context(given)?, &args),
        Command::Passwd(args) => passwd::run(&context(given)?, &args),
        Command::Recover(args) => recover::run(&context(given)?, &args),
        Command::Account(args) => account::run(&context(given)?, &args.command),
        Command::Audit(args) => {
            // A copy on any machine: this machine's home, account and settings do not matter.
            if let Some((args, directory)) = audit::copy_to_verify(&args) {
                return audit::verify(given.ui, args, directory);
            }
            let given = match audit::copy_to_read(&args) {
                Some(directory) => given.for_copy(directory),
                None => given,
            };
            audit::run(&context(given)?, *args)
        }
        Command::Config(args) => config::run(&context(given)?, &args.command),
        // This must work even if no other command does.
        Command::Doctor => doctor::run(given.ui, given.global, given.surroundings),
        Command::Tour => tour::run(&context(given)?),
        // The output of these does not depend on the home, and needs none.
        Command::Completions(args) if args.install => completions::install(&context(given)?, &args),
        Command::Completions(args) => completions::run(given.ui, &args),
        Command::Man(args) => man::run(given.ui, &args),
        Command::Agent => session::agent(&context(given)?),
    }
}

/// `-v` logs to stderr. Without it, no subscriber is installed.
fn init_tracing(verbose: u8) {
    use tracing::Level;
    use tracing_subscriber::field::MakeExt;
    use tracing_subscriber::fmt::format::debug_fn;
    let level = match verbose {
        0 => return,
        1 => Level::INFO,
        2 => Level::DEBUG,
        _ => Level::TRACE,
    };
    let colour = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(colour)
        .with_target(false)
        // Values may be paths or other people's text, so they are escaped.
        .fmt_fields(
            debug_fn(|writer, field, value| {
                let value = format!("{value:?}");
                let value = text::bounded(&value);
                let value = text::escape(&value);
                match field.name() {
                    "message" => write!(writer, "{value}"),
                    name => write!(writer, "{name}={value}"),
                }
            })
            .delimited(" "),
        )
        .with_writer(std::io::stderr)
        .init();
}
