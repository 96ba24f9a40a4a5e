//! `exec`: runs a command if there is a live session.

#[cfg(unix)]
mod end_watch;
#[cfg(windows)]
#[path = "exec/end_watch_absent.rs"]
mod end_watch;
mod secrets;

use std::ffi::OsStr;
use std::io::IsTerminal;
use std::process::Command;
use std::time::Duration;

use nightlatch_core::clock::Clock;
use nightlatch_core::id::SessionId;
use nightlatch_local::config::OnEnd;
use nightlatch_local::guard::SecretBinding;
use nightlatch_local::guard::run::Ended;
use nightlatch_local::guard::{
    CommandError, Denied, Finished, Guard, Orphans, Refusals, RunOptions, Scripts, SignedIn,
};
use nightlatch_local::secrets::SecretStoreError;
use nightlatch_local::session::{Revocation, SessionState};
use nightlatch_platform::clock::SystemClock;

use super::args::Exec;
use super::context::Context;
use super::end::End;
use super::exit::Failure;
use super::origin::Origin;
use super::prompt::PromptError;
use super::session_state::wait_for_nobody;
use super::terminal::{Lent, Terminal};
use super::{ending, login, password_input, prune, register, text};

use end_watch::{EndWatch, Watched};

/// No session ends by itself in less time.
const LONG: Duration = Duration::from_secs(1);

/// The signal of Ctrl-C; the number is the same on every system.
const SIGINT: i32 = 2;

/// How many times a session that another prompt started is used instead of prompting.
const LOOKS: u32 = 3;

pub fn run(context: &Context, args: &Exec) -> Result<End, Failure> {
    let mut lent = Lent::default();
    let result = run_asking(context, args, &mut lent);
    // After a signal other than Ctrl-C, end at once: do not wait for the terminal.
    let is_told_to_end = |failure: &Failure| failure.signal.is_some_and(|signal| signal != SIGINT);
    if !result.as_ref().is_err_and(is_told_to_end) {
        lent.await_return();
    }
    result
}

fn run_asking(context: &Context, args: &Exec, lent: &mut Lent) -> Result<End, Failure> {
    let mut options = RunOptions::default()
        .extend(!args.no_extend)
        .min_remaining(args.min_remaining.unwrap_or_default())
        .refusals(Refusals::LeaveToCaller)
        .scripts(Scripts::AsShellsDo)
        .orphans(Orphans::ReapAsInit);
    if !args.no_mask {
        options = options.mask(context.mask());
    }
    let environment = secrets::environment(args)?;
    let mut guard = context.guard()?;
    say_whose(context, &guard)?;
    let begun = SystemClock.now().boot;
    let mut looks = LOOKS;
    let ran = loop {
        let mut command = command(context, args)?;
        environment.set(&mut command);
        let secrets = &environment.secrets;
        let denied = match watched(context, &guard, args, &mut command, (&options, secrets)) {
            Err(CommandError::Denied(denied)) if helps_to_sign_in(context, &denied) => denied,
            Err(CommandError::Denied(denied)) => return Err(refuse(context, &guard, args, denied)),
            other => break other.map_err(|error| failed(args, secrets, error))?,
        };
        let Some(mut terminal) = terminal(context) else {
            return Err(refuse(context, &guard, args, denied));
        };
        *lent = terminal.lent();
        terminal.wait_for_turn().map_err(PromptError::from)?;
        // An earlier prompt may have signed in for this command, too.
        guard = context.guard()?;
        let may_run = match &denied {
            Denied::NoSession { .. } | Denied::Revoked(_) => is_signed_in(&guard),
            _ => looks == LOOKS,
        };
        if may_run && looks > 0 {
            looks -= 1;
            continue;
        }
        let why = match &denied {
            Denied::NoSession { .. } => how_it_ended(context, &guard),
            Denied::Revoked(revocation) => Some(revoked(context, revocation)),
            other => Some(text::escape(&other.to_string())),
        };
        let why = why.unwrap_or_else(|| "locked".to_owned());
        context
            .ui
            .say(&format!("nightlatch: {why}. Sign in to continue."));
        let signed_in = {
            // Dropped after signing in: the command gets the terminal as it was, and the next
            // prompt its turn.
            let mut terminal = terminal;
            sign_in(&mut terminal, context)
        };
        if signed_in.as_ref().is_err_and(|failure| failure.is_resumed) {
            guard = context.guard()?;
            continue;
        }
        let signed_in = signed_in.inspect_err(|_| {
            guard.record_refusal(&args.command[0], &denied);
        })?;
        // The home may have been created just now.
        let options = options.refusals(Refusals::Record);
        guard = context.guard()?;
        let ran = watched(context, &guard, args, &mut command, (&options, secrets))
            .map_err(|error| failed(args, secrets, error))?;
        prune::after_sign_in(context, signed_in);
        break ran;
    };
    if let Some(error) = &ran.finished.unrecorded {
        context
            .ui
            .warn(&format!("the command's end could not be recorded: {error}"));
    }
    for name in &ran.finished.unmasked {
        context.ui.warn(&format!(
            "secret {name} was not masked: it is {}",
            nightlatch_local::mask::TooShort
        ));
    }
    if let Some(error) = &ran.finished.unwritten {
        context
            .ui
            .warn(&format!("not all output could be written: {error}"));
    }
    if SystemClock.now().boot.since(begun) >= LONG && std::io::stderr().is_terminal() {
        tell_of_end(context, &ran, args);
    }
    Ok(match ran.finished.ended {
        Ended::Signal(signal) => End::Signal(signal),
        // Its output is not complete; it would have failed itself.
        Ended::Code(0) if ran.finished.unwritten.is_some() => End::Code(1),
        code @ Ended::Code(_) => End::Code(code.exit_code()),
    })
}

/// A command that has ended, and the session that allowed it to start.
struct Ran {
    finished: Finished,
    session: SessionId,
    username: String,
}

/// Runs the command. When the session ends, a person at the terminal is notified at once, or the
/// command is hung up.
fn watched(
    context: &Context,
    guard: &Guard,
    args: &Exec,
    command: &mut Command,
    (options, secrets): (&RunOptions, &[SecretBinding]),
) -> Result<Ran, CommandError> {
    let program = shown(command.get_program());
    let running = guard.start(command, options, secrets)?;
    let (session, username) = (running.session_id(), running.username().to_owned());
    let watched = Watched {
        session,
        username: &username,
        program: &program,
        on_end: args.on_end.map_or(guard.on_end(), OnEnd::from),
        hang_up: running.hang_up(),
        terminal: running.terminal(),
    };
    let finished = std::thread::scope(|scope| {
        let _watch = EndWatch::begin(scope, context, watched);
        running.finish()
    })?;
    Ok(Ran {
        finished,
        session,
        username,
    })
}

/// The program's name, escaped for a person.
fn shown(program: &OsStr) -> String {
    text::bounded(&text::escape(&program.to_string_lossy())).into_owned()
}

/// The terminal to prompt on: a person is at it or uses this job, wherever the streams are
/// redirected.
fn terminal(context: &Context) -> Option<Terminal> {
    let terminal = context.terminal()?;
    (password_input::somebody_is_there() || terminal.is_foreground()).then_some(terminal)
}

fn is_signed_in(guard: &Guard) -> bool {
    matches!(guard.status(), Ok(status) if status.state == SessionState::Active)
}

fn command(context: &Context, args: &Exec) -> Result<Command, Failure> {
    let (program, arguments) = args
        .command
        .split_first()
        .ok_or_else(|| Failure::usage("no command given"))?;
    let mut command = Command::new(program);
    command.args(arguments);
    // When a guarded command calls nightlatch, it must use the home that guarded it.
    if context.origins.home != Origin::Unset {
        let home = context.config.home();
        let home = std::path::absolute(home).unwrap_or_else(|_| home.to_owned());
        command.env("NIGHTLATCH_HOME", home);
    }
    Ok(command)
}

/// A secret that the configuration gives to the command is not found on the command line.
fn failed(args: &Exec, given: &[SecretBinding], error: CommandError) -> Failure {
    use SecretStoreError::{NoVariable, NotFound, OtherCase};
    let is_configured = match &error {
        CommandError::Secret(NotFound { name } | NoVariable { name } | OtherCase { name, .. }) => {
            given.iter().all(|binding| binding.name != *name)
        }
        _ => false,
    };
    let failure = Failure::from(error);
    if is_configured {
        let program = shown(&args.command[0]);
        return failure.hint(format!(
            "the configuration gives it to {program}: nightlatch config show"
        ));
    }
    failure
}

fn refuse(context: &Context, guard: &Guard, args: &Exec, denied: Denied) -> Failure {
    guard.record_refusal(&args.command[0], &denied);
    match denied {
        Denied::NoSession { ended: Some(_) } => {
            let Some(how) = how_it_ended(context, guard) else {
                return denied.into();
            };
            Failure::no_session(format!("no live session: {how}"))
        }
        Denied::Revoked(revocation) => Failure {
            message: format!("no live session: {}", revoked(context, &revocation)),
            ..Denied::Revoked(revocation).into()
        },
        denied => denied.into(),
    }
}

fn revoked(context: &Context, revocation: &Revocation) -> String {
    ending::by_revocation(context, revocation.at, revocation.reason.as_str())
}

/// How the session ended that would have allowed the command.
fn how_it_ended(context: &Context, guard: &Guard) -> Option<String> {
    let account = guard.account_meant().ok().flatten();
    let username = account.as_ref().map(|account| account.email.normalized());
    ending::of_last(context, username)
}

/// After a long command, reports that the session ended meanwhile.
fn tell_of_end(context: &Context, ran: &Ran, args: &Exec) {
    let Ok(email) = ran.username.parse() else {
        return;
    };
    let Ok(guard) = Guard::open_to_look(context.config.clone().account(email)) else {
        return;
    };
    wait_for_nobody();
    let Ok(status) = guard.status() else { return };
    if status.state == SessionState::Active || status.elsewhere.is_some() {
        return;
    }
    if let Some(how) = ending::of_session(context, &status, ran.session, &ran.username) {
        let program = shown(&args.command[0]);
        context
            .ui
            .say(&format!("nightlatch: {how}, while {program} ran"));
    }
}

/// Signs in on the terminal; creates an account first if there is none.
fn sign_in(terminal: &mut Terminal, context: &Context) -> Result<SignedIn, Failure> {
    let guard = context.guard_or_create()?;
    if guard.accounts()?.count()? == 0 {
        context.ui.say("There is no account yet: create one.");
        let email = match (&context.account, guard.accepted_accounts()) {
            (Some(named), _) => named.clone(),
            (None, Some([only])) => only.clone(),
            (None, _) => password_input::email(terminal, context)?,
        };
        let new = (&email, None);
        let registered = register::register_on(terminal, context, &guard, new, None)?;
        register::tell_once(context, &guard, &registered);
        match registered.signed_in {
            Some(began) => Ok(began?),
            None => Err(Failure::no_session("no live session")),
        }
    } else {
        let email = login::account_to_sign_in(context, &guard, None, Some(terminal))?;
        // If this process is stopped and resumed, somebody may have signed in meanwhile.
        terminal.leave_when_resumed();
        login::sign_in_on(terminal, context, &guard, &email, guard.limits())
    }
}

/// Whether the command could run after a sign-in.
fn helps_to_sign_in(context: &Context, denied: &Denied) -> bool {
    match denied {
        Denied::NoSession { .. } | Denied::Revoked(_) => true,
        // Not if the account that was named is the one that is not accepted.
        Denied::OtherAccount { .. } => context.account.is_none(),
        _ => false,
    }
}

/// Names the session's account if it may not be the one that the person expects.
fn say_whose(context: &Context, guard: &Guard) -> Result<(), Failure> {
    if std::io::stderr().is_terminal()
        && let Some(notice) = guard.account_notice()?
    {
        let notice = text::escape(&notice.to_string());
        context.ui.say(&format!("nightlatch: {notice}"));
    }
    Ok(())
}
