//! `register`: creates an account.

use std::io::IsTerminal;

use nightlatch_audit::AuditLog;
use nightlatch_core::memory::SecretBuffer;
use nightlatch_local::account::{DisplayName, Email};
use nightlatch_local::guard::{Guard, Registered, Registration, Vouched};

use super::account::recovery;
use super::args::Register;
use super::context::Context;
use super::end::End;
use super::exit::Failure;
use super::login;
use super::password_input::{self, Question};
use super::session::signed_in;
use super::terminal::Terminal;
use super::text;
use super::ui::{FAINT, GOOD, STRONG};

pub fn run(context: &Context, args: &Register) -> Result<End, Failure> {
    let given = args.email.as_deref().or(context.global.account.as_deref());
    let email = given.map(str::parse::<Email>).transpose()?;
    let name = args
        .name
        .as_deref()
        .map(str::parse::<DisplayName>)
        .transpose()?;
    if args.password.is_given() {
        let email = email.ok_or_else(which_email)?;
        let guard = context.guard_or_create()?;
        let password = password_input::given_password(&args.password)?
            .ok_or_else(password_input::no_terminal)?;
        // A person may still be there, and sees stderr then.
        let vouched = if std::io::stderr().is_terminal() {
            let mut terminal = context.terminal();
            terminal
                .as_mut()
                .map_or(Ok(None), |terminal| vouch(terminal, context, &guard))?
        } else {
            None
        };
        let new = registration(context, (&email, name.as_ref()), password, vouched.as_ref());
        let registered = guard.register(new)?;
        announce(
            context,
            &guard,
            &registered,
            "; sign in with: nightlatch login",
        )?;
        return Ok(End::Done);
    }
    let Some(mut terminal) = context.terminal() else {
        return Err(match email {
            None => which_email(),
            Some(_) if context.guard()?.may_register()? => password_input::no_terminal(),
            Some(_) => nightlatch_local::guard::RegisterError::NoSponsor.into(),
        });
    };
    let (email, name) = match email {
        Some(email) => (email, name),
        None => whose(&mut terminal, context, name)?,
    };
    let guard = context.guard_or_create()?;
    let vouched = vouch(&mut terminal, context, &guard)?;
    let new = (&email, name.as_ref());
    let registered = register_on(&mut terminal, context, &guard, new, vouched.as_ref())?;
    announce(context, &guard, &registered, "")?;
    if let Some(began) = registered.signed_in {
        context.ui.say(&signed_in(&began?.status(), "signed in"));
    }
    Ok(End::Done)
}

fn which_email() -> Failure {
    Failure::usage("no email was given, and there is no terminal to ask for it on")
        .hint("name it: nightlatch register EMAIL --password-stdin".to_owned())
}

/// Asks for the new account's email and name.
fn whose(
    terminal: &mut Terminal,
    context: &Context,
    name: Option<DisplayName>,
) -> Result<(Email, Option<DisplayName>), Failure> {
    let email = password_input::email(terminal, context)?;
    let name = match name {
        Some(name) => Some(name),
        None => password_input::name(terminal, context)?,
    };
    Ok((email, name))
}

/// Announces the new account, and with `then` the next step.
fn announce(
    context: &Context,
    guard: &Guard,
    registered: &Registered,
    then: &str,
) -> Result<(), Failure> {
    let account = &registered.account;
    if context.ui.json {
        let object = serde_json::json!({
            "schema": 1,
            "account_id": account.id.to_string(),
            "email": account.email.as_str(),
            "name": account.name.as_ref().map(DisplayName::as_str),
            "created_at": account.created_at.to_rfc3339(),
            "log_fingerprint": fingerprint(context, guard),
        });
        return match &registered.recovery_code {
            Some(code) => context
                .ui
                .json_with_secret(&object, "recovery_code", &code.to_text()),
            None => context.ui.json(&object),
        }
        .map(|_| ());
    }
    let email = text::escape(account.email.as_str());
    context.ui.say(&format!(
        "{GOOD}●{GOOD:#} account {STRONG}{email}{STRONG:#} created{then}"
    ));
    tell_once(context, guard, registered);
    Ok(())
}

/// Prints what is shown only now: the fingerprint of the log, which begins with the first account,
/// and the recovery code.
pub fn tell_once(context: &Context, guard: &Guard, registered: &Registered) {
    if registered.is_first
        && let Some(fingerprint) = fingerprint(context, guard)
    {
        context.ui.say(&format!(
            "  {FAINT}audit log fingerprint; keep a copy elsewhere to check the log for tampering:{FAINT:#}\n  \
             {FAINT}{fingerprint}{FAINT:#}"
        ));
    }
    if let Some(code) = &registered.recovery_code {
        recovery::tell(context, code);
    }
}

/// The log's fingerprint, if it can be read. If not, the account still exists.
fn fingerprint(context: &Context, guard: &Guard) -> Option<String> {
    match guard.audit().map(AuditLog::fingerprint)? {
        Ok(fingerprint) => fingerprint,
        Err(error) => {
            context
                .ui
                .warn(&format!("its fingerprint cannot be shown: {error}"));
            None
        }
    }
}

/// If the home has an account and nobody is signed in, asks for the password of an account, which
/// approves the new one.
fn vouch(
    terminal: &mut Terminal,
    context: &Context,
    guard: &Guard,
) -> Result<Option<Vouched>, Failure> {
    if guard.may_register()? {
        return Ok(None);
    }
    context
        .ui
        .say("This home has an account already: its password lets another one in.");
    let email = match guard.account_meant()? {
        Some(account) => account.email,
        // The named account may be the new one.
        None => match guard.accounts()?.only()? {
            Some(only) => only.email,
            None => login::choose(context, guard, Some(terminal))?,
        },
    };
    let question = Question::Password(&email);
    let asked = login::until_right(terminal, context, (guard, &email), question, |password| {
        guard.vouch(&email, password)
    });
    asked.map(Some)
}

/// Asks for a new password twice, creates the account, and signs in.
pub fn register_on(
    terminal: &mut Terminal,
    context: &Context,
    guard: &Guard,
    (email, name): (&Email, Option<&DisplayName>),
    vouched: Option<&Vouched>,
) -> Result<Registered, Failure> {
    let rules = guard.password_rules();
    let password = password_input::new_password(terminal, context, (email, rules), |password| {
        guard.check_new_password(password, email, name)
    })?;
    let new = registration(context, (email, name), password, vouched);
    Ok(guard.register(new.sign_in(guard.limits()))?)
}

/// What to register. With `--quiet` nobody would see a recovery code, so none is made.
fn registration<'a>(
    context: &Context,
    (email, name): (&'a Email, Option<&'a DisplayName>),
    password: SecretBuffer,
    vouched: Option<&'a Vouched>,
) -> Registration<'a> {
    let new = Registration::new(email, password)
        .name(name)
        .vouched_by(vouched);
    if context.ui.quiet && !context.ui.json {
        new
    } else {
        new.with_recovery_code()
    }
}
