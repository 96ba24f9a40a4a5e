//! `account remove`: removes an account with everything that is its own.

use nightlatch_local::account::Account;
use nightlatch_local::guard::{Guard, ProvenAccount};
use nightlatch_local::session::SessionState;

use super::meant::meant;
use crate::cli::args::AccountRemove;
use crate::cli::context::Context;
use crate::cli::end::End;
use crate::cli::exit::Failure;
use crate::cli::login;
use crate::cli::password_input::{self, Question};
use crate::cli::text::escape;
use crate::cli::ui::STRONG;

pub fn run(context: &Context, args: &AccountRemove) -> Result<End, Failure> {
    let guard = context.guard()?;
    let account = meant(&guard, args.email.as_deref())?;
    let Some(proven) = prove(context, &guard, &account, args)? else {
        context.ui.say("nothing was removed");
        return Ok(End::Done);
    };
    let removed = guard.remove_account(proven)?;
    if context.ui.json {
        context.ui.json(&serde_json::json!({
            "schema": 1,
            "email": account.email.as_str(),
            "sessions_ended": u32::from(removed.session_ended),
            "secrets_removed": removed.secrets,
        }))?;
        return Ok(End::Done);
    }
    let email = escape(account.email.as_str());
    context.ui.say(&format!(
        "○ account {STRONG}{email}{STRONG:#} removed; the audit log keeps its events"
    ));
    Ok(End::Done)
}

/// Asks whether to remove the account, and for its password. `None` when the answer is no.
fn prove(
    context: &Context,
    guard: &Guard,
    account: &Account,
    args: &AccountRemove,
) -> Result<Option<ProvenAccount>, Failure> {
    let mut terminal = None;
    if !args.yes {
        terminal = context.terminal();
        let Some(terminal) = &mut terminal else {
            return Err(
                Failure::usage("there is no terminal to ask for confirmation on")
                    .hint("confirm with --yes".to_owned()),
            );
        };
        context.ui.say(&what_goes(guard, account)?);
        if !password_input::agrees(terminal, Question::Remove(&account.email))? {
            return Ok(None);
        }
    }
    let whose = (guard, &account.email);
    let proven = login::proven(context, whose, &args.password, terminal, |password| {
        guard.prove_account(account, password)
    })?;
    Ok(Some(proven))
}

/// What goes with the account.
fn what_goes(guard: &Guard, account: &Account) -> Result<String, Failure> {
    let profile = guard.profile(account)?;
    let mut parts = vec!["the account".to_owned()];
    match profile.secrets {
        0 => {}
        1 => parts.push("its secret".to_owned()),
        count => parts.push(format!("its {count} secrets")),
    }
    if profile.recovery_code_since.is_some() {
        parts.push("its recovery code".to_owned());
    }
    if profile.session.state == SessionState::Active {
        parts.push("its session".to_owned());
    }
    let all = match parts.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    };
    Ok(format!(
        "This removes {all}. Nothing brings them back; the audit log keeps its events."
    ))
}
