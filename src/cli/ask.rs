//! Where passwords come from: standard input, a file descriptor, or the person.

use std::io::IsTerminal;

use nightlatch::account::{PASSWORD_MAX_BYTES, PolicyRefusal, Strength};
use nightlatch::memory::{ReadSecretError, SecretBuffer, inherited};

use super::Context;
use super::args::PasswordSource;
use super::exit::{Code, Failure};
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
    read_all(&mut password, std::io::stdin())?;
    Ok(password)
}

/// The descriptor that was handed in, read to its end.
fn password_from_fd(number: i32) -> Result<SecretBuffer, Failure> {
    let source = inherited(number).map_err(|error| {
        Failure::usage(format!("--password-fd {number}: {error}"))
            .hint("hand it in, for example: nightlatch login --password-fd 3 3<FILE".to_owned())
    })?;
    let mut password = SecretBuffer::with_capacity(CAPACITY);
    read_all(&mut password, source)?;
    Ok(password)
}

fn read_all(password: &mut SecretBuffer, source: impl std::os::fd::AsFd) -> Result<(), Failure> {
    match password.read_to_end(source) {
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

/// Asks for a new password until it meets the rules, and then once more, to be sure of it.
pub fn new_password(
    terminal: &mut Terminal,
    context: &Context,
    label: &str,
    check: impl Fn(&SecretBuffer) -> Result<Strength, PolicyRefusal>,
) -> Result<SecretBuffer, Failure> {
    let mut refusal = None;
    for _ in 0..TRIES {
        let first = password(terminal, &format!("{label}: "))?;
        match check(&first) {
            Ok(strength) => context.ui.say(&meter(strength)),
            Err(refused) => {
                let failure = Failure::from(refused);
                context.ui.failure(&failure);
                refusal = Some(failure);
                continue;
            }
        }
        let second = password(terminal, &format!("{label}, once more: "))?;
        if first.expose() == second.expose() {
            return Ok(first);
        }
        context.ui.warn("the two are not the same, try again");
    }
    Err(refusal.unwrap_or_else(|| {
        Failure::new(
            Code::Refused,
            "password_mismatch",
            "the two passwords were never the same",
        )
    }))
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
