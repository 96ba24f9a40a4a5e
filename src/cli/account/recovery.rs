//! `account recovery`: says whether there is a recovery code, or makes a new one.

use nightlatch_local::account::RecoveryCode;

use super::meant::meant;
use crate::cli::args::AccountRecovery;
use crate::cli::context::Context;
use crate::cli::end::End;
use crate::cli::exit::Failure;
use crate::cli::login;
use crate::cli::text::escape;
use crate::cli::ui::{FAINT, STRONG};

pub fn run(context: &Context, args: &AccountRecovery) -> Result<End, Failure> {
    if !args.new {
        return since(context);
    }
    let guard = context.guard()?;
    let account = meant(&guard, None)?;
    let email = &account.email;
    let proven = login::proven(context, (&guard, email), &args.password, None, |password| {
        guard.prove_account(&account, password)
    })?;
    let code = guard.renew_recovery_code(&proven)?.to_text();
    if context.ui.json {
        let object = serde_json::json!({ "schema": 1, "email": email.as_str() });
        context
            .ui
            .json_with_secret(&object, "recovery_code", &code)?;
        return Ok(End::Done);
    }
    let email = escape(email.as_str());
    context.ui.say(&format!(
        "recovery code of {STRONG}{email}{STRONG:#}; {KEEP}, and an earlier one is no longer accepted:"
    ));
    context.ui.secret_line(&code)?;
    Ok(End::Done)
}

const KEEP: &str = "keep it on paper: it sets a new password once and is not shown again";

/// Tells a new recovery code, which is stored nowhere.
pub fn tell(context: &Context, code: &RecoveryCode) {
    context
        .ui
        .say(&format!("  {FAINT}recovery code; {KEEP}:{FAINT:#}"));
    context.ui.say_secret("  ", &code.to_text());
}

/// Whether there is a code, and since when.
fn since(context: &Context) -> Result<End, Failure> {
    let guard = context.guard_to_look()?;
    let account = meant(&guard, None)?;
    let since = guard.profile(&account)?.recovery_code_since;
    let email = account.email.as_str();
    if context.ui.json {
        let since = since.map(nightlatch_core::clock::Timestamp::to_rfc3339);
        context.ui.json(&serde_json::json!({
            "schema": 1,
            "email": email,
            "recovery_code_created_at": since,
        }))?;
        return Ok(End::Done);
    }
    let email = escape(email);
    let text = match since {
        Some(since) => format!(
            "{email} has a recovery code, made {}\n",
            context.zone.second(since)
        ),
        None => format!(
            "{email} has no recovery code; make one with: nightlatch account recovery --new\n"
        ),
    };
    context.ui.data(&text)?;
    Ok(End::Done)
}
