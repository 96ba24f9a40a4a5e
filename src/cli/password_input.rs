//! Prompts, and the sources of passwords: standard input, a file descriptor, or the person.

use std::io::IsTerminal;

use nightlatch_core::memory::{ReadSecretError, SecretBuffer, inherited};
use nightlatch_local::account::{
    DisplayName, Email, NIST_MIN_CHARS, PASSWORD_MAX_BYTES, PCI_MIN_CHARS, PolicyRefusal, Strength,
};
use nightlatch_local::config::PasswordRules;
use nightlatch_local::secrets::SecretName;

use super::args::{Passwd, PasswordSource, Recover};
use super::context::Context;
use super::exit::{Code, Failure};
use super::prompt::PromptError;
use super::terminal::Terminal;
use super::text::escape;
use super::ui::{BAD, FAINT, GOOD, WARN};

/// Room for the longest password, a Windows line end and one more byte, so that a password that is
/// too long is detected.
pub const CAPACITY: usize = PASSWORD_MAX_BYTES + 3;
/// How many times a new password or a line is asked for.
const TRIES: u32 = 5;

/// A question to a person. Each prompt names this program, because other programs prompt in the
/// terminal, too.
#[derive(Clone, Copy, Debug)]
pub enum Question<'a> {
    /// The password of the account with this email.
    Password(&'a Email),
    /// The current password, before a new one is asked for.
    CurrentPassword(&'a Email),
    /// The new password for the account with this email.
    NewPassword(&'a Email),
    /// The new password again.
    NewPasswordAgain,
    /// The email of the account to use or to create.
    Email,
    /// The name of a new account's owner; may be empty.
    Name,
    /// The recovery code of the account with this email.
    RecoveryCode(&'a Email),
    /// Whether to add what was shown.
    Add,
    /// The value of the secret with this name.
    SecretValue(&'a SecretName),
    /// The value again.
    SecretValueAgain,
    /// Whether to remove the secret with this name.
    RemoveSecret(&'a SecretName),
    /// Whether to remove the account with this email.
    Remove(&'a Email),
}

impl std::fmt::Display for Question<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[nightlatch] ")?;
        let (what, email) = match self {
            Self::Password(email) => ("Password for ", email),
            Self::CurrentPassword(email) => ("Current password for ", email),
            Self::NewPassword(email) => ("New password for ", email),
            Self::NewPasswordAgain => return f.write_str("New password again: "),
            Self::Email => return f.write_str("Email: "),
            Self::Name => return f.write_str("Your name (may be left empty): "),
            Self::RecoveryCode(email) => ("Recovery code of ", email),
            Self::Add => return f.write_str("Go on? (y/N) "),
            Self::SecretValue(name) => return write!(f, "Value of {}: ", escape(name.as_str())),
            Self::SecretValueAgain => return f.write_str("The same value again: "),
            Self::RemoveSecret(name) => {
                let name = escape(name.as_str());
                return write!(f, "Remove {name} and all of its versions? (y/N) ");
            }
            Self::Remove(email) => {
                return write!(f, "Remove {}? (y/N) ", escape(email.as_str()));
            }
        };
        write!(f, "{what}{}: ", escape(email.as_str()))
    }
}

/// The password given with an option, if any.
pub fn given_password(source: &PasswordSource) -> Result<Option<SecretBuffer>, Failure> {
    handed_in(source.password_stdin, source.password_fd, CAPACITY)
}

/// The current and the new password given with an option, if any.
pub fn given_passwords(args: &Passwd) -> Result<Option<(SecretBuffer, SecretBuffer)>, Failure> {
    let missing = "two lines are needed: the current password, then the new one";
    two_lines(args.password_stdin, args.password_fd, missing)
}

/// The recovery code and the new password given with an option, if any.
pub fn given_code(args: &Recover) -> Result<Option<(SecretBuffer, SecretBuffer)>, Failure> {
    let missing = "two lines are needed: the recovery code, then the new password";
    two_lines(args.password_stdin, args.password_fd, missing)
}

fn two_lines(
    stdin: bool,
    number: Option<i32>,
    missing: &str,
) -> Result<Option<(SecretBuffer, SecretBuffer)>, Failure> {
    // Two passwords and the newline between them.
    let Some(both) = handed_in(stdin, number, 2 * CAPACITY)? else {
        return Ok(None);
    };
    let both = both.split_line().map(Some);
    both.ok_or_else(|| Failure::usage(missing))
}

/// The input from standard input or from the descriptor `number`, read to its end.
fn handed_in(
    stdin: bool,
    number: Option<i32>,
    capacity: usize,
) -> Result<Option<SecretBuffer>, Failure> {
    let mut password = SecretBuffer::with_capacity(capacity);
    if stdin {
        refuse_terminal("--password-stdin", &std::io::stdin())?;
        whole(password.read_to_end(std::io::stdin()))?;
    } else if let Some(number) = number {
        let option = format!("--password-fd {number}");
        let source = inherited(number).map_err(|error| {
            Failure::usage(format!("{option}: {error}"))
                .hint("hand it in, for example: nightlatch login --password-fd 3 3<FILE".to_owned())
        })?;
        refuse_terminal(&option, &source)?;
        whole(password.read_to_end(source))?;
    } else {
        return Ok(None);
    }
    Ok(Some(password))
}

/// A terminal would echo the password.
fn refuse_terminal(option: &str, source: &impl IsTerminal) -> Result<(), Failure> {
    if !source.is_terminal() {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{option}: it is a terminal, which shows what is typed"
    ))
    .hint(format!(
        "leave {option} out, and nightlatch asks for it unseen"
    )))
}

fn whole(read: Result<(), ReadSecretError>) -> Result<(), Failure> {
    match read {
        // An input that is too long is refused when the password is checked, with the message of
        // that rule.
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

/// There is no terminal to prompt on, and no password was given.
pub fn no_terminal() -> Failure {
    Failure::new(
        Code::Usage,
        "no_terminal",
        "there is no terminal to ask for the password on",
    )
    .hint("hand it in with --password-stdin or --password-fd N".to_owned())
}

/// Asks for a password once.
pub fn password(terminal: &mut Terminal, question: Question<'_>) -> Result<SecretBuffer, Failure> {
    Ok(terminal.read_password(&question.to_string(), CAPACITY)?)
}

/// Asks for a line until it is valid, a limited number of times.
pub fn line<T, E: Into<Failure>>(
    terminal: &mut Terminal,
    context: &Context,
    question: Question<'_>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<T, Failure> {
    let mut tries = 1;
    loop {
        match parse(terminal.read_line(&question.to_string())?.trim()) {
            Ok(answer) => return Ok(answer),
            Err(error) if tries == TRIES => return Err(error.into()),
            Err(error) => context.ui.failure(&error.into()),
        }
        tries += 1;
    }
}

/// Asks for an email.
pub fn email(terminal: &mut Terminal, context: &Context) -> Result<Email, Failure> {
    line(terminal, context, Question::Email, str::parse)
}

/// Asks for consent. Anything but a clear yes is a no.
pub fn agrees(terminal: &mut Terminal, question: Question<'_>) -> Result<bool, Failure> {
    let answer = terminal.read_line(&question.to_string())?;
    Ok(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}

/// Asks for a name, which may be empty.
pub fn name(terminal: &mut Terminal, context: &Context) -> Result<Option<DisplayName>, Failure> {
    line(terminal, context, Question::Name, |text| {
        (!text.is_empty()).then(|| text.parse()).transpose()
    })
}

/// Prints the rules, and asks for a new password for `email` until it follows them and is repeated
/// correctly.
///
/// The judgement of the password is a message, so it goes to stderr, not to the terminal. Neither
/// is buffered, so it appears between the two prompts.
pub fn new_password(
    terminal: &mut Terminal,
    context: &Context,
    (email, rules): (&Email, PasswordRules),
    check: impl Fn(&SecretBuffer) -> Result<Strength, PolicyRefusal>,
) -> Result<SecretBuffer, Failure> {
    context.ui.say(&rule(rules));
    let prompts =
        [Question::NewPassword(email), Question::NewPasswordAgain].map(|asked| asked.to_string());
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

/// The rules for a new password, in one line that is printed before the prompt.
fn rule(rules: PasswordRules) -> String {
    match rules {
        PasswordRules::Nist => format!(
            "A password has at least {NIST_MIN_CHARS} characters; four or five unrelated words do well."
        ),
        PasswordRules::Pci => format!(
            "A password has at least {PCI_MIN_CHARS} characters, with a letter, a digit and a symbol."
        ),
    }
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

/// Whether a person can answer: at least one of the standard streams is a terminal.
pub fn somebody_is_there() -> bool {
    std::io::stdin().is_terminal() || std::io::stderr().is_terminal()
}
