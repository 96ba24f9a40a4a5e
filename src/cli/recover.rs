//! `recover`: sets a new password with a recovery code.

use nightlatch_local::account::{Email, RecoveryCode};
use nightlatch_local::guard::{Guard, ProvenCode, RecoverError, RecoveredAccount};

use super::account::recovery;
use super::args::Recover;
use super::context::Context;
use super::end::End;
use super::exit::Failure;
use super::password_input::{self, Question};
use super::terminal::Terminal;
use super::ui::GOOD;
use super::{login, text};

/// How many times a code is asked for on a terminal.
const TRIES: u32 = 3;

pub fn run(context: &Context, args: &Recover) -> Result<End, Failure> {
    let named = args.email.as_deref().map(str::parse::<Email>).transpose()?;
    let guard = context.guard()?;
    let recovered = if let Some((code, new)) = password_input::given_code(args)? {
        let email = login::account_to_sign_in(context, &guard, named, None)?;
        let code = RecoveryCode::parse(code.expose())?;
        guard.recover(guard.prove_code(&email, &code)?, new)?
    } else {
        let mut terminal = context.terminal();
        let email = login::account_to_sign_in(context, &guard, named, terminal.as_mut())?;
        let mut terminal = terminal.ok_or_else(password_input::no_terminal)?;
        on_terminal(&mut terminal, context, &guard, &email)?
    };
    tell(context, &recovered)
}

/// Asks for the code, and for a new password only if the code is right.
fn on_terminal(
    terminal: &mut Terminal,
    context: &Context,
    guard: &Guard,
    email: &Email,
) -> Result<RecoveredAccount, Failure> {
    let proven = ask_for_code(terminal, context, guard, email)?;
    let account = proven.account();
    let (email, name) = (account.email.clone(), account.name.clone());
    let rules = guard.password_rules();
    let new = password_input::new_password(terminal, context, (&email, rules), |password| {
        guard.check_new_password(password, &email, name.as_ref())
    })?;
    Ok(guard.recover(proven, new)?)
}

/// Asks for the code until it is right, a limited number of times. A typing mistake is not an
/// attempt.
fn ask_for_code(
    terminal: &mut Terminal,
    context: &Context,
    guard: &Guard,
    email: &Email,
) -> Result<ProvenCode, Failure> {
    let mut tries = 1;
    loop {
        let text = password_input::password(terminal, Question::RecoveryCode(email))?;
        let failure = match RecoveryCode::parse(text.expose()) {
            Err(mistyped) => Failure::from(mistyped),
            Ok(code) => match guard.prove_code(email, &code) {
                Ok(proven) => return Ok(proven),
                Err(
                    error @ RecoverError::Wrong {
                        remaining_attempts: 1..,
                    },
                ) => error.into(),
                Err(error) => return Err(error.into()),
            },
        };
        if tries == TRIES {
            return Err(failure);
        }
        context.ui.failure(&failure);
        tries += 1;
    }
}

fn tell(context: &Context, recovered: &RecoveredAccount) -> Result<End, Failure> {
    let (email, ended) = (recovered.account.email.as_str(), recovered.session_ended);
    if context.ui.json {
        let object = serde_json::json!({
            "schema": 1,
            "email": email,
            "sessions_ended": u32::from(ended),
        });
        let code = recovered.recovery_code.to_text();
        context
            .ui
            .json_with_secret(&object, "recovery_code", &code)?;
        return Ok(End::Done);
    }
    let session = if ended { "; the session was ended" } else { "" };
    let email = text::escape(email);
    context.ui.say(&format!(
        "{GOOD}●{GOOD:#} {email} has a new password{session}; sign in with: nightlatch login"
    ));
    recovery::tell(context, &recovered.recovery_code);
    Ok(End::Done)
}
