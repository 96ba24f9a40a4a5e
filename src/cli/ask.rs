//! Where passwords come from: standard input, a file descriptor, or the person.

use std::io::IsTerminal;

use nightlatch::account::{PASSWORD_MAX_BYTES, PolicyRefusal, Strength};
use nightlatch::memory::{ReadSecretError, SecretBuffer, inherited};

use super::Context;
use super::args::PasswordSource;
use super::exit::{Code, Failure};
use super::prompt::PromptError;
use super::terminal::Terminal;
use super::ui::{BAD, FAINT, GOOD, WARN};

/// Room for the longest password, and for one byte and a newline more, so that what is too long is
/// seen to be.
pub const CAPACITY: usize = PASSWORD_MAX_BYTES + 2;
/// How often a new password is asked for again.
const TRIES: u32 = 5;

/// The password that was handed in, where one was.
pub fn given_password(source: &PasswordSource) -> Result<Option<SecretBuffer>, Failure> {
    match source {
        PasswordSource {
            password_stdin: true,
            ..
        } => password_from_stdin(CAPACITY).map(Some),
        PasswordSource {
            password_fd: Some(number),
            ..
        } => password_from_fd(*number).map(Some),
        _ => Ok(None),
    }
}

/// Standard input, read to its end.
pub fn password_from_stdin(capacity: usize) -> Result<SecretBuffer, Failure> {
    let mut password = SecretBuffer::with_capacity(capacity);
    whole(password.read_to_end(std::io::stdin()))?;
    Ok(password)
}

/// The descriptor that was handed in, read to its end.
fn password_from_fd(number: i32) -> Result<SecretBuffer, Failure> {
    let source = inherited(number).map_err(|error| {
        Failure::usage(format!("--password-fd {number}: {error}"))
            .hint("hand it in, for example: nightlatch login --password-fd 3 3<FILE".to_owned())
    })?;
    let mut password = SecretBuffer::with_capacity(CAPACITY);
    whole(password.read_to_end(source))?;
    Ok(password)
}

fn whole(read: Result<(), ReadSecretError>) -> Result<(), Failure> {
    match read {
        // What is over-long is refused where passwords are judged, in the words of the rule.
        Ok(()) | Err(ReadSecretError::TooLong { .. }) => Ok(()),
        Err(error) => Err(Failure::failed(
            "password",
            match std::error::Error::source(&error) {
                Some(cause) => format!("{error}: {cause}"),
                None => error.to_string(),
            },
        )),
    }
}

/// Nobody to ask, and no password handed in.
pub fn no_terminal() -> Failure {
    Failure::new(
        Code::Usage,
        "no_terminal",
        "there is no terminal to ask for the password on",
    )
    .hint("hand it in with --password-stdin or --password-fd N".to_owned())
}

/// Asks for a password once.
pub fn password(terminal: &mut Terminal, prompt: &str) -> Result<SecretBuffer, Failure> {
    Ok(terminal.read_password(prompt, CAPACITY)?)
}

/// Asks for a new password until it meets the rules and, typed once more, is the same.
///
/// What is thought of it is talk like any other, so it goes to stderr, not to the terminal itself:
/// neither is buffered, so between two prompts it appears between them.
pub fn new_password(
    terminal: &mut Terminal,
    context: &Context,
    label: &str,
    check: impl Fn(&SecretBuffer) -> Result<Strength, PolicyRefusal>,
) -> Result<SecretBuffer, Failure> {
    let prompts = [format!("{label}: "), format!("{label}, once more: ")];
    let prompts = prompts.each_ref().map(String::as_str);
    let mut last = None;
    for _ in 0..TRIES {
        if let Some(failure) = last.take() {
            context.ui.failure(&failure);
        }
        let mut refusal = None;
        let answers = terminal.read_passwords(prompts, CAPACITY, |first| match check(first) {
            Ok(strength) => {
                context.ui.say(&meter(strength));
                true
            }
            Err(refused) => {
                refusal = Some(Failure::from(refused));
                false
            }
        });
        last = match answers {
            Ok([first, second]) if first.expose() == second.expose() => return Ok(first),
            Ok(_) => Some(mismatch()),
            Err(PromptError::NotAccepted) => refusal,
            Err(error) => return Err(error.into()),
        };
    }
    Err(last.unwrap_or_else(mismatch))
}

fn mismatch() -> Failure {
    Failure::new(
        Code::Refused,
        "password_mismatch",
        "the two passwords are not the same",
    )
    .hint("type the same one twice".to_owned())
}

/// `strength ████░ strong`
fn meter(strength: Strength) -> String {
    let score = usize::from(strength.score);
    let style = match score {
        0 | 1 => BAD,
        2 => WARN,
        _ => GOOD,
    };
    let (full, rest) = (
        "█".repeat(score + 1),
        "░".repeat(4_usize.saturating_sub(score)),
    );
    format!(
        "{FAINT}strength{FAINT:#} {style}{full}{style:#}{FAINT}{rest}{FAINT:#} {}",
        strength.label()
    )
}

/// Whether a person sits in front of this: at least one of the streams they would use is a terminal.
pub fn somebody_is_there() -> bool {
    std::io::stdin().is_terminal() || std::io::stderr().is_terminal()
}
