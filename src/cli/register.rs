//! `register`: create an account.

use nightlatch::account::{AccountService, DisplayName, Email};
use nightlatch::audit::AuditLog;
use nightlatch::memory::SecretBuffer;
use nightlatch::{Guard, Registered};

use super::args::Register;
use super::ask;
use super::exit::Failure;
use super::session::signed_in;
use super::terminal::Terminal;
use super::text;
use super::ui::{FAINT, GOOD, STRONG};
use super::{Context, End};

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
        // Wiped when the account is there: whoever is told may be slow to listen.
        let registered = match ask::given_password(&args.password)? {
            Some(password) => guard.register(&email, name.as_ref(), &password)?,
            None => return Err(ask::no_terminal()),
        };
        announce(
            context,
            &guard,
            &registered,
            "; sign in with: nightlatch login",
        )?;
        return Ok(End::Done);
    }
    let no_terminal = || match email {
        Some(_) => ask::no_terminal(),
        None => which_email(),
    };
    let mut terminal = context.terminal().ok_or_else(no_terminal)?;
    let (email, name) = match email {
        Some(email) => (email, name),
        None => whose(&mut terminal, context, name)?,
    };
    let guard = context.guard_or_create()?;
    let (registered, password) =
        register_on(&mut terminal, context, &guard, &email, name.as_ref())?;
    announce(context, &guard, &registered, "")?;
    let status = guard.sign_in(&email, &password, guard.limits())?.status();
    drop(password);
    context.ui.say(&signed_in(&status, "signed in"));
    Ok(End::Done)
}

fn which_email() -> Failure {
    Failure::usage("no email was given, and there is no terminal to ask for it on")
        .hint("name it: nightlatch register EMAIL --password-stdin".to_owned())
}

/// Asks whose account it is to be.
fn whose(
    terminal: &mut Terminal,
    context: &Context,
    name: Option<DisplayName>,
) -> Result<(Email, Option<DisplayName>), Failure> {
    let email = ask::email(terminal, context)?;
    let name = match name {
        Some(name) => Some(name),
        None => ask::name(terminal, context)?,
    };
    Ok((email, name))
}

/// Tells of the new account, and `then` what to do next.
fn announce(
    context: &Context,
    guard: &Guard,
    registered: &Registered,
    then: &str,
) -> Result<(), Failure> {
    let account = &registered.account;
    if context.ui.json {
        return context
            .ui
            .json(&serde_json::json!({
                "schema": 1,
                "account_id": account.id.to_string(),
                "email": account.email.as_str(),
                "name": account.name.as_ref().map(DisplayName::as_str),
                "created_at": account.created_at.to_rfc3339(),
                "log_fingerprint": fingerprint(context, guard),
            }))
            .map(|_| ());
    }
    let email = text::escape(account.email.as_str());
    context.ui.say(&format!(
        "{GOOD}●{GOOD:#} account {STRONG}{email}{STRONG:#} created{then}"
    ));
    tell_fingerprint(context, guard);
    Ok(())
}

/// With the first account begins the log: the time to note its fingerprint. The account is there,
/// whatever becomes of this.
pub fn tell_fingerprint(context: &Context, guard: &Guard) {
    let count = guard.accounts().map(AccountService::count);
    if !matches!(count, Ok(Ok(1))) {
        return;
    }
    if let Some(fingerprint) = fingerprint(context, guard) {
        context.ui.say(&format!(
            "  {FAINT}audit log fingerprint; keep a copy elsewhere to check the log for tampering:{FAINT:#}\n  \
             {FAINT}{fingerprint}{FAINT:#}"
        ));
    }
}

/// The log's, if it can be read. If not, the account is there all the same.
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

/// Asks for a new password, twice, and creates the account; gives the password too, to sign in with.
pub fn register_on(
    terminal: &mut Terminal,
    context: &Context,
    guard: &Guard,
    email: &Email,
    name: Option<&DisplayName>,
) -> Result<(Registered, SecretBuffer), Failure> {
    let rules = guard.password_rules();
    let password = ask::new_password(terminal, context, (email, rules), |password| {
        guard.check_new_password(password, email, name)
    })?;
    Ok((guard.register(email, name, &password)?, password))
}
