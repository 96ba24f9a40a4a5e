//! `login`: sign in.

use nightlatch_core::memory::SecretBuffer;
use nightlatch_local::account::Email;
use nightlatch_local::config::Limits;
use nightlatch_local::guard::{AccountError, Guard, SignInError, SignedIn};
use nightlatch_local::session::{SessionState, SessionStatus};

use super::args::{Login, PasswordSource};
use super::context::Context;
use super::end::End;
use super::exit::{Code, Failure};
use super::password_input::{self, Question};
use super::session::{describe, signed_in};
use super::terminal::Terminal;
use super::{prune, text};

/// How many times the password is asked for on a terminal.
const TRIES: u32 = 3;
/// The maximum number of accounts listed when one must be named.
const LISTED: u32 = 10;

pub fn run(context: &Context, args: &Login) -> Result<End, Failure> {
    let named = args.email.as_deref().map(str::parse::<Email>).transpose()?;
    let guard = context.guard()?;
    let limits = guard
        .limits()
        .for_session(args.idle, args.max)
        .map_err(|error| Failure::usage(error.to_string()))?;
    let asks_anew =
        args.force || args.idle.is_some() || args.max.is_some() || args.password.is_given();
    if !asks_anew && let Some(status) = live_session(&guard, named.as_ref())? {
        return already(context, &status);
    }
    if guard.audit().is_none() {
        return Err(no_account());
    }
    let signed_in = if let Some(password) = password_input::given_password(&args.password)? {
        let email = account_to_sign_in(context, &guard, named, None)?;
        guard.sign_in(&email, password, limits)?
    } else {
        loop {
            let mut terminal = context.terminal();
            let email = account_to_sign_in(context, &guard, named.clone(), terminal.as_mut())?;
            let mut terminal = terminal.ok_or_else(password_input::no_terminal)?;
            if !asks_anew {
                terminal.leave_when_resumed();
            }
            match sign_in_on(&mut terminal, context, &guard, &email, limits) {
                // Somebody may have signed in while this process was stopped.
                Err(failure) if failure.is_resumed => {
                    if let Some(status) = live_session(&guard, Some(&email))? {
                        return already(context, &status);
                    }
                }
                signed_in => break signed_in?,
            }
        }
    };
    let status = signed_in.status();
    if context.ui.json {
        context.ui.json(&status)?;
    } else {
        context.ui.say(describe(&status, &context.zone).trim_end());
    }
    prune::after_sign_in(context, signed_in);
    Ok(End::Done)
}

/// The live session that commands use now, if it belongs to the named account.
fn live_session(guard: &Guard, named: Option<&Email>) -> Result<Option<SessionStatus>, Failure> {
    let status = guard.status()?;
    let is_meant = named.is_none_or(|named| status.username.as_deref() == Some(named.normalized()));
    Ok((status.state == SessionState::Active && is_meant).then_some(status))
}

/// The account is already signed in.
fn already(context: &Context, status: &SessionStatus) -> Result<End, Failure> {
    if context.ui.json {
        context.ui.json(status)?;
    } else {
        context.ui.say(&format!(
            "{}; a new session: nightlatch login --force",
            signed_in(status, "already signed in")
        ));
    }
    Ok(End::Done)
}

/// The named account, or the one from `--account`, or the last one signed in, or the only one that
/// is accepted or exists. Otherwise it is asked for if a person can answer.
pub fn account_to_sign_in(
    context: &Context,
    guard: &Guard,
    named: Option<Email>,
    terminal: Option<&mut Terminal>,
) -> Result<Email, Failure> {
    if let Some(email) = named.or_else(|| context.account.clone()) {
        return Ok(email);
    }
    if let Some(account) = guard.account_meant()? {
        return Ok(account.email);
    }
    if let Some([only]) = guard.accepted_accounts() {
        return Ok(only.clone());
    }
    if guard.accounts()?.count()? == 0 {
        return Err(no_account());
    }
    choose(context, guard, terminal)
}

/// One of several accounts, which is asked for if a person can answer.
pub fn choose(
    context: &Context,
    guard: &Guard,
    terminal: Option<&mut Terminal>,
) -> Result<Email, Failure> {
    let emails = guard.accounts()?.emails_at_rest(LISTED + 1)?;
    let listed = listed(&emails);
    match terminal {
        Some(terminal) => {
            context
                .ui
                .say(&format!("There are several accounts: {listed}"));
            password_input::email(terminal, context)
        }
        None => Err(
            Failure::usage(format!("there are several accounts: {listed}"))
                .hint("say which: nightlatch login EMAIL".to_owned()),
        ),
    }
}

fn no_account() -> Failure {
    Failure::new(Code::SignInFailed, "no_account", "there is no account yet")
        .hint("create one with: nightlatch register".to_owned())
}

/// The first accounts, and whether there are more.
fn listed(emails: &[String]) -> String {
    let shown = emails.len().min(LISTED as usize);
    let more = if shown < emails.len() {
        " and more"
    } else {
        ""
    };
    format!("{}{more}", text::escape(&emails[..shown].join(", ")))
}

/// Asks for the password until it is correct, a limited number of times.
pub fn sign_in_on(
    terminal: &mut Terminal,
    context: &Context,
    guard: &Guard,
    email: &Email,
    limits: Limits,
) -> Result<SignedIn, Failure> {
    let question = Question::Password(email);
    until_right(terminal, context, (guard, email), question, |password| {
        guard.sign_in(email, password, limits)
    })
}

/// What `check` makes of the password of `email`: of the one that an option gives, or of one that is
/// asked for, on `terminal` if that is open already.
pub fn proven<T, E: PasswordError>(
    context: &Context,
    (guard, email): (&Guard, &Email),
    source: &PasswordSource,
    terminal: Option<Terminal>,
    mut check: impl FnMut(SecretBuffer) -> Result<T, E>,
) -> Result<T, Failure> {
    if let Some(password) = password_input::given_password(source)? {
        return check(password).map_err(Into::into);
    }
    let terminal = terminal.or_else(|| context.terminal());
    let mut terminal = terminal.ok_or_else(password_input::no_terminal)?;
    let question = Question::Password(email);
    until_right(&mut terminal, context, (guard, email), question, check)
}

/// Asks `question` for the password of `email` until `check` accepts it: a limited number of times,
/// and not while sign-in is locked.
pub fn until_right<T, E: PasswordError>(
    terminal: &mut Terminal,
    context: &Context,
    (guard, email): (&Guard, &Email),
    question: Question<'_>,
    mut check: impl FnMut(SecretBuffer) -> Result<T, E>,
) -> Result<T, Failure> {
    let mut tries = 1;
    loop {
        if let Some(retry_after) = guard.locked_for(email)? {
            return Err(SignInError::Locked { retry_after }.into());
        }
        let password = password_input::password(terminal, question)?;
        let error = match check(password) {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        match error.attempts_left() {
            Some(remaining_attempts) if tries < TRIES && remaining_attempts > 0 => {
                tries += 1;
                let left = text::attempts_left(remaining_attempts, "sign-in");
                context
                    .ui
                    .warn(&format!("wrong email or password, try again{left}"));
            }
            _ => return Err(error.into()),
        }
    }
}

/// An error that may be about a wrong password.
pub trait PasswordError: Into<Failure> {
    /// The attempts left, if the password was wrong.
    fn attempts_left(&self) -> Option<u32>;
}

impl PasswordError for SignInError {
    fn attempts_left(&self) -> Option<u32> {
        match self {
            Self::Wrong { remaining_attempts } => Some(*remaining_attempts),
            _ => None,
        }
    }
}

impl PasswordError for AccountError {
    fn attempts_left(&self) -> Option<u32> {
        match self {
            Self::SignIn(error) => error.attempts_left(),
            _ => None,
        }
    }
}
