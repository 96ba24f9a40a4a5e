//! `passwd`: change the password.

use nightlatch::Guard;
use nightlatch::account::Account;
use nightlatch::memory::SecretBuffer;

use super::args::Passwd;
use super::exit::Failure;
use super::ui::GOOD;
use super::{Context, End, ask};

pub fn run(context: &Context, args: &Passwd) -> Result<End, Failure> {
    let guard = context.guard()?;
    let account = guard
        .account_meant()?
        .ok_or(nightlatch::PasswordChangeError::NoAccount)?;
    let ended = {
        // Wiped before anything is said of it, as whoever is told may be slow to listen.
        let (old, new) = passwords(context, &guard, &account, args)?;
        guard.change_password(&account, &old, &new)?
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

/// The old password and the new one, handed in or asked for.
fn passwords(
    context: &Context,
    guard: &Guard,
    account: &Account,
    args: &Passwd,
) -> Result<(SecretBuffer, SecretBuffer), Failure> {
    if args.password_stdin {
        // Two passwords and the newline between them.
        ask::password_from_stdin(2 * ask::CAPACITY)?
            .split_line()
            .ok_or_else(|| {
                Failure::usage(
                    "--password-stdin takes two lines: the old password, then the new one",
                )
            })
    } else {
        let mut terminal = context.terminal().ok_or_else(ask::no_terminal)?;
        let old = ask::password(
            &mut terminal,
            &format!("Old password for {}: ", account.email),
        )?;
        let new = ask::new_password(&mut terminal, context, "New password", |password| {
            guard.check_new_password(password, &account.email, account.name.as_ref())
        })?;
        Ok((old, new))
    }
}
