//! `account switch`, `account rename` and `account email`.

use nightlatch_local::account::{DisplayName, Email};

use super::meant::meant;
use crate::cli::args::AccountEmail;
use crate::cli::context::Context;
use crate::cli::end::End;
use crate::cli::exit::Failure;
use crate::cli::login;
use crate::cli::text::escape;
use crate::cli::ui::{GOOD, STRONG};

pub fn switch(context: &Context, email: &str) -> Result<End, Failure> {
    let guard = context.guard()?;
    let account = meant(&guard, Some(email))?;
    guard.switch_account(&account)?;
    if context.ui.json {
        context
            .ui
            .json(&serde_json::json!({ "schema": 1, "email": account.email.as_str() }))?;
        return Ok(End::Done);
    }
    let is_signed_in =
        guard.profile(&account)?.session.state == nightlatch_local::session::SessionState::Active;
    let then = if is_signed_in {
        ""
    } else {
        "; it has no live session, sign in with: nightlatch login"
    };
    let email = escape(account.email.as_str());
    context.ui.say(&format!(
        "{GOOD}●{GOOD:#} {STRONG}{email}{STRONG:#} is in use now{then}"
    ));
    Ok(End::Done)
}

pub fn rename(context: &Context, name: &str) -> Result<End, Failure> {
    let name: DisplayName = name.parse()?;
    let guard = context.guard()?;
    let account = guard.rename_account(&meant(&guard, None)?, &name)?;
    if context.ui.json {
        context.ui.json(&serde_json::json!({
            "schema": 1,
            "email": account.email.as_str(),
            "name": name.as_str(),
            "updated_at": account.updated_at.to_rfc3339(),
        }))?;
        return Ok(End::Done);
    }
    let name = escape(name.as_str());
    context.ui.say(&format!(
        "{GOOD}●{GOOD:#} the name is {STRONG}{name}{STRONG:#} now"
    ));
    Ok(End::Done)
}

pub fn email(context: &Context, args: &AccountEmail) -> Result<End, Failure> {
    let new: Email = args.new_email.parse()?;
    let guard = context.guard()?;
    let account = meant(&guard, None)?;
    let whose = (&guard, &account.email);
    let ended = login::proven(context, whose, &args.password, None, |password| {
        guard.change_email(&account, password, &new)
    })?;
    if context.ui.json {
        context.ui.json(&serde_json::json!({
            "schema": 1,
            "email": new.as_str(),
            "sessions_ended": u32::from(ended),
        }))?;
        return Ok(End::Done);
    }
    let then = if ended {
        "; the session was ended, sign in with: nightlatch login"
    } else {
        ""
    };
    let new = escape(new.as_str());
    context.ui.say(&format!(
        "{GOOD}●{GOOD:#} the email is {STRONG}{new}{STRONG:#} now{then}"
    ));
    Ok(End::Done)
}
