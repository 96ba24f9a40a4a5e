//! `login`: sign in.

use nightlatch::Guard;
use nightlatch::account::Email;
use nightlatch::config::Limits;
use nightlatch::session::SessionStatus;

use super::args::Login;
use super::ask;
use super::exit::{Code, Failure};
use super::session::describe;
use super::terminal::Terminal;
use super::{Context, End, prune};

/// How often a wrong password is asked for again on a terminal.
const TRIES: u32 = 3;

pub fn run(context: &Context, args: &Login) -> Result<End, Failure> {
    let named = args.email.as_deref().map(str::parse::<Email>).transpose()?;
    // Before there is a home: a limit out of range makes none.
    let limits = context
        .guard()?
        .limits()
        .for_session(args.idle, args.max)
        .map_err(|error| Failure::usage(error.to_string()))?;
    let guard = context.guard_or_create()?;
    let email = account_to_sign_in(context, &guard, named)?;
    let status = if let Some(password) = ask::given_password(&args.password)? {
        guard.sign_in(&email, &password, limits)?.status()
    } else {
        let mut terminal = context.terminal().ok_or_else(ask::no_terminal)?;
        sign_in_on(&mut terminal, context, &guard, &email, limits)?
    };
    if context.ui.json {
        context.ui.json(&status)?;
    } else {
        context.ui.say(describe(&status, &context.zone).trim_end());
    }
    prune::after_sign_in(context, &guard);
    Ok(End::Done)
}

/// The account named, or meant by `--account`, or the only one there is.
pub fn account_to_sign_in(
    context: &Context,
    guard: &Guard,
    named: Option<Email>,
) -> Result<Email, Failure> {
    if let Some(email) = named.or_else(|| context.account.clone()) {
        return Ok(email);
    }
    let accounts = guard.accounts()?;
    if let Some(only) = accounts.only()? {
        return Ok(only.email);
    }
    Err(match accounts.count()? {
        0 => Failure::new(Code::SignInFailed, "no_account", "there is no account yet")
            .hint("create one with: nightlatch register EMAIL".to_owned()),
        _ => Failure::usage("there are several accounts")
            .hint("say which: nightlatch login EMAIL".to_owned()),
    })
}

/// Asks for the password until it is right, a few times at most.
pub fn sign_in_on(
    terminal: &mut Terminal,
    context: &Context,
    guard: &Guard,
    email: &Email,
    limits: Limits,
) -> Result<SessionStatus, Failure> {
    let mut tries = 1;
    loop {
        let password = ask::password(terminal, &format!("Password for {email}: "))?;
        match guard.sign_in(email, &password, limits) {
            Ok(session) => return Ok(session.status()),
            Err(nightlatch::SignInError::Wrong { .. }) if tries < TRIES => {
                tries += 1;
                context.ui.warn("wrong email or password, try again");
            }
            Err(error) => return Err(error.into()),
        }
    }
}
