//! `exec`: the guard.

use std::io::IsTerminal;
use std::process::Command;

use nightlatch::session::SessionStatus;
use nightlatch::{CommandError, Denied, Guard, Refusals, RunOptions, Scripts};

use super::args::Exec;
use super::exit::Failure;
use super::terminal::Terminal;
use super::{Context, End, ask, login, prune, register, text};

pub fn run(context: &Context, args: &Exec) -> Result<End, Failure> {
    let options = RunOptions {
        extend: !args.no_extend,
        min_remaining: args.min_remaining.unwrap_or_default(),
        refusals: Refusals::LeaveToCaller,
        scripts: Scripts::AsShellsDo,
    };
    let guard = context.guard()?;
    say_whose(context, &guard)?;
    let finished = match guard.run(&mut command(args)?, &options) {
        Err(CommandError::Denied(denied)) if helps_to_sign_in(context, &denied) => {
            let terminal = if ask::somebody_is_there() {
                context.terminal()
            } else {
                None
            };
            let Some(mut terminal) = terminal else {
                return Err(refuse(&guard, args, denied));
            };
            context.ui.say(&format!("{denied}; sign in to go on"));
            if let Err(failure) = sign_in(&mut terminal, context) {
                guard.record_refusal(&args.command[0], &denied);
                return Err(failure);
            }
            // A home may have come into being only now.
            let options = RunOptions {
                refusals: Refusals::Record,
                ..options
            };
            let guard = context.guard()?;
            let finished = guard.run(&mut command(args)?, &options)?;
            prune::after_sign_in(context, &guard);
            finished
        }
        Err(CommandError::Denied(denied)) => return Err(refuse(&guard, args, denied)),
        other => other?,
    };
    if let Some(error) = finished.unrecorded {
        context
            .ui
            .warn(&format!("the command's end could not be recorded: {error}"));
    }
    Ok(End::Code(finished.ended.exit_code()))
}

fn command(args: &Exec) -> Result<Command, Failure> {
    let (program, arguments) = args
        .command
        .split_first()
        .ok_or_else(|| Failure::usage("no command given"))?;
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command)
}

fn refuse(guard: &Guard, args: &Exec, denied: Denied) -> Failure {
    guard.record_refusal(&args.command[0], &denied);
    denied.into()
}

/// Signs in on the terminal; where there is no account yet, creates one first.
fn sign_in(terminal: &mut Terminal, context: &Context) -> Result<SessionStatus, Failure> {
    let guard = context.guard_or_create()?;
    if guard.accounts()?.count()? == 0 {
        context.ui.say("There is no account yet: create one.");
        let email = match (&context.account, guard.accepted_accounts()) {
            (Some(named), _) => named.clone(),
            (None, Some([only])) => only.clone(),
            (None, _) => ask::email(terminal, context)?,
        };
        let (_, password) = register::register_on(terminal, context, &guard, (&email, None), None)?;
        register::tell_fingerprint(context, &guard);
        Ok(guard.sign_in(&email, &password, guard.limits())?.status())
    } else {
        let email = login::account_to_sign_in(context, &guard, None, Some(terminal))?;
        login::sign_in_on(terminal, context, &guard, &email, guard.limits())
    }
}

/// Whether the command may run once somebody has signed in.
fn helps_to_sign_in(context: &Context, denied: &Denied) -> bool {
    match denied {
        Denied::NoSession { .. } => true,
        // Unless it is the account that was named which does not count.
        Denied::OtherAccount { .. } => context.account.is_none(),
        _ => false,
    }
}

/// Tells a person whose session it is, where that may not be the one they expect.
fn say_whose(context: &Context, guard: &Guard) -> Result<(), Failure> {
    if std::io::stderr().is_terminal()
        && let Some(notice) = guard.account_notice()?
    {
        let notice = text::escape(&notice.to_string());
        context.ui.say(&format!("nightlatch: {notice}"));
    }
    Ok(())
}
