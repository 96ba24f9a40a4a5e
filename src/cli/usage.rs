//! Reports a command line that does not parse: what is wrong with it, in one line, and what to do.

use std::error::Error as _;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory};

use super::args::{BadValue, Cli};
use super::exit::{Code, Failure};
use super::ui::Ui;

/// Prints clap's error, or the requested help.
pub fn report(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    // Help and version go to stdout and are not errors, and neither is a closed pipe.
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
        ui.failure(&failure(error, &command_in(arguments)));
    }
    ExitCode::from(Code::Usage as u8)
}

/// The command that the arguments name.
fn command_in(arguments: &[OsString]) -> Command {
    let mut command = Cli::command();
    command.build();
    let mut words = arguments.iter().skip(1).map_while(|word| word.to_str());
    while let Some(word) = words.next() {
        if let Some(option) = word.strip_prefix("--") {
            if option.is_empty() {
                break;
            }
            let takes_value = |argument: &&clap::Arg| {
                argument.get_long() == Some(option) && argument.get_action().takes_values()
            };
            if command
                .get_arguments()
                .any(|argument| takes_value(&argument))
            {
                words.next();
            }
        } else if !word.starts_with('-') {
            match command.find_subcommand(word) {
                Some(sub) => command = sub.clone(),
                None => break,
            }
        }
    }
    command
}

/// Converts clap's error to the same form as every other error.
fn failure(error: &clap::Error, command: &Command) -> Failure {
    let name = command.get_bin_name().unwrap_or(command.get_name());
    let see = format!("see {name} --help");
    let found = Found(error);
    let argument = found.text(ContextKind::InvalidArg).unwrap_or_default();
    // clap gives `--limit <N>`; only the name is needed.
    let option = argument.split(' ').next().unwrap_or_default();
    let (message, hint) = match error.kind() {
        ErrorKind::InvalidSubcommand => unknown_command(&found, command, see),
        ErrorKind::UnknownArgument => unknown_argument(&found, command, option, see),
        ErrorKind::ArgumentConflict => conflict(&found, name, option, see),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let commands: Vec<_> = visible(command).map(Command::get_name).collect();
            let message = format!("{name} needs a command: one of {}", commands.join(", "));
            (message, see)
        }
        ErrorKind::MissingRequiredArgument => missing(&found, command, see),
        ErrorKind::InvalidValue => bad_choice(&found, &placeholder(option), see),
        ErrorKind::ValueValidation => {
            let option = placeholder(option);
            let why = error.source().and_then(|source| source.downcast_ref());
            if let Some(BadValue { message, hint }) = why {
                let hint = hint.map_or(see, str::to_owned);
                (format!("{option}: {message}"), hint)
            } else {
                let value = found.text(ContextKind::InvalidValue).unwrap_or_default();
                (format!("{option}: cannot use {value:?}"), see)
            }
        }
        ErrorKind::TooManyValues => (format!("{option} takes no value"), see),
        ErrorKind::InvalidUtf8 => ("an argument is not UTF-8 text".to_owned(), see),
        kind => (kind.to_string(), see),
    };
    Failure::usage(message).hint(hint)
}

/// The context of a clap error.
struct Found<'a>(&'a clap::Error);

impl<'a> Found<'a> {
    fn text(&self, kind: ContextKind) -> Option<&'a str> {
        self.texts(kind).first().copied()
    }

    fn texts(&self, kind: ContextKind) -> Vec<&'a str> {
        match self.0.get(kind) {
            Some(ContextValue::String(text)) => vec![text],
            Some(ContextValue::Strings(texts)) => texts.iter().map(String::as_str).collect(),
            _ => Vec::new(),
        }
    }
}

/// `SHELL` for `<SHELL>`; an option is returned unchanged.
fn placeholder(argument: &str) -> String {
    argument
        .replace(['<', '>', '[', ']'], "")
        .replace("...", "")
}

/// The subcommands of `command` that its help lists.
fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    let all = command.get_subcommands();
    all.filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
}

fn unknown_command(found: &Found, command: &Command, see: String) -> (String, String) {
    let name = command.get_bin_name().unwrap_or(command.get_name());
    let typed = found
        .text(ContextKind::InvalidSubcommand)
        .unwrap_or_default();
    let is_program = command.get_name() == name;
    let message = format!("{} no command {typed:?}", has(name, is_program));
    if let Some(meant) = meant_by(typed).filter(|_| is_program) {
        return (message, meant.to_owned());
    }
    // clap puts the most similar name last; it may be an alias.
    let similar = found.texts(ContextKind::SuggestedSubcommand);
    let similar = similar
        .last()
        .and_then(|similar| command.find_subcommand(similar));
    let hint = similar.map_or(see, |similar| {
        format!("did you mean: {name} {}", similar.get_name())
    });
    (message, hint)
}

fn unknown_argument(
    found: &Found,
    command: &Command,
    argument: &str,
    see: String,
) -> (String, String) {
    let name = command.get_bin_name().unwrap_or(command.get_name());
    let takes_password = command
        .get_arguments()
        .any(|known| known.get_id() == "password_stdin");
    let no_argument = "a password is never an argument; use --password-stdin or --password-fd N";
    if !argument.starts_with('-') {
        if takes_password {
            // The argument may be a password, so do not print it.
            return ("unexpected argument".to_owned(), no_argument.to_owned());
        }
        let hint = match command.find_subcommand(argument) {
            Some(sub) => format!("leave out the -- before it: {name} {}", sub.get_name()),
            None => see,
        };
        return (format!("unexpected argument {argument:?}"), hint);
    }
    let is_program = command.get_name() == name;
    let message = format!("{} no option {argument}", has(name, is_program));
    if argument == "--password" && takes_password {
        return (message, no_argument.to_owned());
    }
    if let Some(similar) = found.text(ContextKind::SuggestedArg) {
        return (message, format!("did you mean {similar}?"));
    }
    let takes_it = |sub: &&Command| {
        let mut arguments = sub.get_arguments();
        arguments.any(|known| {
            known
                .get_long()
                .is_some_and(|long| argument[1..] == *format!("-{long}"))
        })
    };
    let owners: Vec<_> = visible(command)
        .filter(takes_it)
        .map(Command::get_name)
        .collect();
    let hint = match owners[..] {
        [] if command.get_name() == "exec" => {
            format!("if it belongs to the command, write: {name} -- COMMAND")
        }
        [] => see,
        _ => format!("it is an option of: {}", owners.join(", ")),
    };
    (message, hint)
}

/// The message that a command or option is missing.
fn has(name: &str, is_program: bool) -> String {
    if is_program {
        "there is".to_owned()
    } else {
        format!("{name} has")
    }
}

fn conflict(found: &Found, name: &str, option: &str, see: String) -> (String, String) {
    let others = found.texts(ContextKind::PriorArg);
    let others: Vec<_> = others
        .iter()
        .map(|other| placeholder(other.split(' ').next().unwrap_or(other)))
        .collect();
    let others = others.join(" and ");
    match found.text(ContextKind::InvalidSubcommand) {
        // An argument that is not a command can be in the way, too.
        Some(sub) if !name.ends_with(&format!(" {sub}")) => {
            (format!("unexpected argument {sub:?}"), see)
        }
        Some(sub) => (
            format!("{others} comes before the command {sub}"),
            format!("write the options behind it: {name} {others} ..."),
        ),
        None if option == others => (
            format!("{option} is given twice"),
            "give it once".to_owned(),
        ),
        None if others.is_empty() => (
            format!("{option} cannot be combined with other options"),
            see,
        ),
        None => (
            format!("{} and {others} cannot be combined", placeholder(option)),
            "leave one of them out".to_owned(),
        ),
    }
}

fn missing(found: &Found, command: &Command, see: String) -> (String, String) {
    if command.get_name() == "exec" {
        let name = command.get_bin_name().unwrap_or(command.get_name());
        let message = "no command to run was given".to_owned();
        return (message, format!("write: {name} -- COMMAND"));
    }
    let missing: Vec<_> = found
        .texts(ContextKind::InvalidArg)
        .into_iter()
        .map(placeholder)
        .collect();
    let is_missing = |argument: &&clap::Arg| {
        missing
            .iter()
            .any(|name| *name == placeholder(&argument.to_string()))
    };
    let choices = command
        .get_positionals()
        .find(is_missing)
        .map(clap::Arg::get_possible_values);
    let choices: Vec<_> = choices
        .iter()
        .flatten()
        .map(clap::builder::PossibleValue::get_name)
        .collect();
    let hint = if choices.is_empty() {
        see
    } else {
        format!("name one of {}", choices.join(", "))
    };
    (format!("{} is missing", missing.join(" and ")), hint)
}

fn bad_choice(found: &Found, argument: &str, see: String) -> (String, String) {
    let value = found.text(ContextKind::InvalidValue).unwrap_or_default();
    if value.is_empty() {
        return (format!("{argument} needs a value"), see);
    }
    let choices = found.texts(ContextKind::ValidValue).join(", ");
    let message = format!("{argument}: {value:?} is not one of {choices}");
    let similar = found.text(ContextKind::SuggestedValue);
    (
        message,
        similar.map_or(see, |similar| format!("did you mean {similar}?")),
    )
}

/// The hint for a word that people commonly type but that is not a command.
fn meant_by(command: &str) -> Option<&'static str> {
    Some(match command {
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
