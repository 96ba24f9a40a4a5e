//! `register`: create an account.

use nightlatch::account::{AccountService, DisplayName, Email};
use nightlatch::audit::AuditLog;
use nightlatch::memory::SecretBuffer;
use nightlatch::{Guard, Registered};

use super::args::Register;
use super::ask;
use super::exit::Failure;
use super::terminal::Terminal;
use super::text;
use super::ui::{GOOD, STRONG};
use super::{Context, End};

pub fn run(context: &Context, args: &Register) -> Result<End, Failure> {
    let email: Email = args.email.parse()?;
    let name = args
        .name
        .as_deref()
        .map(str::parse::<DisplayName>)
        .transpose()?;
    let guard = context.guard_or_create()?;
    let registered = if let Some(password) = ask::given_password(&args.password)? {
        guard.register(&email, name.as_ref(), &password)?
    } else {
        let mut terminal = context.terminal().ok_or_else(ask::no_terminal)?;
        register_on(&mut terminal, context, &guard, &email, name.as_ref())?.0
    };
    if context.ui.json {
        context.ui.json(&serde_json::json!({
            "schema": 1,
            "account_id": registered.account.id.to_string(),
            "email": registered.account.email.as_str(),
            "name": registered.account.name.as_ref().map(DisplayName::as_str),
            "created_at": registered.account.created_at.to_rfc3339(),
            "log_fingerprint": fingerprint(context, &guard),
        }))?;
    } else {
        let email = text::escape(registered.account.email.as_str());
        context.ui.say(&format!(
            "{GOOD}●{GOOD:#} account {STRONG}{email}{STRONG:#} created; sign in with: nightlatch login"
        ));
        tell_fingerprint(context, &guard);
    }
    Ok(End::Done)
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
            "{STRONG}{fingerprint}{STRONG:#} is the audit log's fingerprint: note it elsewhere,\n\
             for with it anybody can tell whether the log was changed (nightlatch audit verify)"
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
    let password = ask::new_password(terminal, context, "Password", |password| {
        guard.check_new_password(password, email, name)
    })?;
    Ok((guard.register(email, name, &password)?, password))
}
