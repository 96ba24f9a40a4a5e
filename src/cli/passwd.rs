//! `passwd`: changes the password.

use nightlatch_local::account::Account;
use nightlatch_local::guard::Guard;

use super::args::Passwd;
use super::context::Context;
use super::end::End;
use super::exit::Failure;
use super::password_input::Question;
use super::ui::GOOD;
use super::{login, password_input};

pub fn run(context: &Context, args: &Passwd) -> Result<End, Failure> {
    let guard = context.guard()?;
    let account = guard
        .account_meant()?
        .ok_or(nightlatch_local::guard::PasswordChangeError::NoAccount)?;
    let ended = match password_input::given_passwords(args)? {
        Some((old, new)) => guard.change_password(&account, old, new)?,
        None => change_on_terminal(context, &guard, &account)?,
    };
    if context.ui.json {
        context
            .ui
            .json(&serde_json::json!({ "schema": 1, "sessions_ended": u32::from(ended) }))?;
    } else {
        let then = if ended {
            "; the session was ended, sign in with: nightlatch login"
        } else {
            ""
        };
        context
            .ui
            .say(&format!("{GOOD}●{GOOD:#} password changed{then}"));
    }
    Ok(End::Done)
}

/// Asks for the current password, and for the new one only if the current one is correct.
fn change_on_terminal(
    context: &Context,
    guard: &Guard,
    account: &Account,
) -> Result<bool, Failure> {
    let mut terminal = context.terminal().ok_or_else(password_input::no_terminal)?;
    let email = &account.email;
    let question = Question::CurrentPassword(email);
    let whose = (guard, email);
    let proven = login::until_right(&mut terminal, context, whose, question, |password| {
        guard.prove_password(account, password)
    })?;
    let rules = guard.password_rules();
    let new = password_input::new_password(&mut terminal, context, (email, rules), |password| {
        guard.check_new_password(password, email, account.name.as_ref())
    })?;
    Ok(guard.change_proven_password(proven, new)?)
}
