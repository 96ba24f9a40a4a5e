//! Running a guarded command, from the session check to the record of its end.

use std::cell::OnceCell;
use std::ffi::OsStr;
use std::mem::ManuallyDrop;
use std::process::Command;
use std::time::Duration;

use super::lease::Lease;
use super::owner::Counting;
use super::run::{Ended, RunError, Runner, Started};
use super::{CommandError, Denied, Guard, GuardError, Home};
use crate::session::{EndReason, Judged, Owner, Session, Touched, Use};
use nightlatch_audit::{
    ArgvDigest, AuditError, AuditName, CommandEnd, CommandFailure, CommandRefusal, Details, Event,
    ProgramName,
};
use nightlatch_core::clock::BootTime;
use nightlatch_core::crypto::{kdf, labels};
use nightlatch_core::id::{ExecId, SessionId};
use nightlatch_platform::fs::FsError;

/// Options for running a command.
#[derive(Clone, Copy, Debug)]
pub struct RunOptions {
    /// Whether it counts as activity.
    pub extend: bool,
    /// The least time that the session must have left.
    pub min_remaining: Duration,
    /// Who records a refusal.
    pub refusals: Refusals,
    /// How to treat a script without `#!`.
    pub scripts: Scripts,
    /// How to treat orphaned processes.
    pub orphans: Orphans,
}

/// How to treat processes that lost their parent and became children of this one, the first process
/// of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orphans {
    /// Leaves them unreaped; for a program that waits for children of its own.
    Leave,
    /// Reaps them while the command runs, as an init process does. Only for a program that has no
    /// other children to wait for.
    ReapAsInit,
}

/// How to treat a script that does not begin with `#!`, which the system itself does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scripts {
    /// Refuses it as not executable.
    NeedInterpreter,
    /// Runs it with `/bin/sh`, as shells do. Only for a command that sets nothing but arguments,
    /// variables and directory: everything else would be lost.
    AsShellsDo,
}

/// Who records that a command was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusals {
    /// The guard, immediately.
    Record,
    /// The caller, with [`Guard::record_refusal`], if signing in does not help.
    LeaveToCaller,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            extend: true,
            min_remaining: Duration::ZERO,
            refusals: Refusals::Record,
            scripts: Scripts::NeedInterpreter,
            orphans: Orphans::Leave,
        }
    }
}

/// A guarded command that has ended.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code or signal.
    pub ended: Ended,
    /// Why its end could not be recorded, if so. Its start is recorded in any case.
    pub unrecorded: Option<GuardError>,
}

/// A running guarded command; wait for its end with [`Running::finish`].
///
/// Dropping it before that has the effect of this process crashing: the command runs on, and its
/// session ends.
#[must_use = "a command that nobody follows becomes a zombie, and ends its session"]
pub struct Running<'guard> {
    runner: Runner,
    child: Started,
    record: EndRecord<'guard>,
    lease: ManuallyDrop<Option<Lease>>,
}

/// The fields of the end record other than how the command ended.
struct EndRecord<'guard> {
    guard: &'guard Guard,
    home: &'guard Home,
    exec: ExecId,
    session: SessionId,
    username: String,
    began: BootTime,
}

impl Running<'_> {
    /// The id of the session that it started under.
    pub fn session_id(&self) -> SessionId {
        self.record.session
    }

    /// The normalized email of that session's account.
    pub fn username(&self) -> &str {
        &self.record.username
    }

    /// Waits for the command's end and records it.
    ///
    /// # Errors
    /// When the command cannot be waited for.
    pub fn finish(mut self) -> Result<Finished, CommandError> {
        let result = self.runner.follow(self.child);
        let recorded = self.record.write(match &result {
            Ok(Ended::Code(code)) => CommandEnd::Exited(*code),
            Ok(Ended::Signal(signal)) => CommandEnd::Signalled(*signal),
            Err(error) => failed(error),
        });
        drop(ManuallyDrop::into_inner(self.lease));
        Ok(Finished {
            ended: result?,
            unrecorded: recorded.err().map(GuardError::from),
        })
    }
}

impl EndRecord<'_> {
    /// Not synced: nothing depends on it, and the start is durable (see docs/adr).
    fn write(&self, end: CommandEnd) -> Result<(), AuditError> {
        let finished = Event::new(Details::CommandFinished {
            exec: self.exec,
            end,
            took: self.guard.clock.now().boot.since(self.began),
        })
        .about(AuditName::known(&self.username))
        .in_session(self.session);
        self.home.audit.append(&[finished]).map(drop)
    }
}

impl Guard {
    /// Runs `command` if, and only if, there is a live session, and waits for its end.
    ///
    /// The session is judged and extended and the start recorded in one step under the session
    /// lock. When the record is durable, the session is judged again and the command starts under
    /// the session lock, so no command starts after the end of its session was reported. While the
    /// command runs, a lease marks it: if this process dies, the session ends. The command inherits
    /// standard streams, environment, working directory and process group, and gets
    /// `NIGHTLATCH_SESSION_ID`, `NIGHTLATCH_ACCOUNT`, `NIGHTLATCH_SESSION_EXPIRES_AT` and
    /// `NIGHTLATCH_EXEC_ID`, but never a key.
    ///
    /// # Errors
    /// When there is no live session or it would end too soon, the start cannot be recorded, or the
    /// command cannot be started.
    pub fn run(
        &self,
        command: &mut Command,
        options: &RunOptions,
    ) -> Result<Finished, CommandError> {
        self.start(command, options)?.finish()
    }

    /// As [`Guard::run`], but does not wait for the command's end.
    ///
    /// # Errors
    /// As [`Guard::run`].
    pub fn start(
        &self,
        command: &mut Command,
        options: &RunOptions,
    ) -> Result<Running<'_>, CommandError> {
        let result = self
            .signed_in()
            .map_err(CommandError::from)
            .and_then(|(home, owner)| self.start_for(home, owner, command, options));
        if let Err(CommandError::Denied(denied)) = &result
            && options.refusals == Refusals::Record
        {
            self.record_refusal(command.get_program(), denied);
        }
        result
    }

    pub(super) fn start_for<'guard>(
        &'guard self,
        home: &'guard Home,
        owner: Owner,
        command: &mut Command,
        options: &RunOptions,
    ) -> Result<Running<'guard>, CommandError> {
        let exec = ExecId::random().map_err(GuardError::from)?;
        let mut runner = OnceCell::new();
        let program = ProgramName::new(command.get_program());
        let mut lease = None;
        let mut not_started = None;
        let touch = Use {
            action: "exec",
            extend: options.extend,
            min_remaining: options.min_remaining,
        };
        let started = |session: &Session| {
            // Up to here the guard may have to wait, and a signal ends it. From here on a signal
            // ends the command instead: the guard must release a lease and record the end.
            runner.get_or_init(Runner::new).as_ref().ok()?;
            let argv = argv_digest(session, command);
            Some(session.event(Details::CommandStarted {
                exec,
                program: program.clone(),
                argv,
            }))
        };
        let touched = home.sessions.touch(owner, touch, started, |session| {
            if !matches!(runner.get(), Some(Ok(_))) {
                let problem = std::io::Error::other("no signals can be caught");
                return Err(FsError::new("take a lease in", home.dir.path(), problem));
            }
            not_started = Some(session.event(Details::CommandFinished {
                exec,
                end: not_run(CommandFailure::NotStarted),
                took: Duration::ZERO,
            }));
            let taken = Lease::take(&home.dir, exec, session.id(), program.as_str());
            taken.map(|taken| lease = Some(taken))
        });
        let judged = touched.and_then(|Touched { session, record }| {
            // Without the lock, so that a slow disk blocks nobody else.
            record.sync()?;
            // Act on a stop now, while no lock is held: a stopped process must not hold one.
            if let Some(Ok(runner)) = runner.get_mut() {
                runner.stop_if_told();
            }
            home.sessions.judge_again(session)
        });
        let Judged { session, lock } = match judged {
            Ok(judged) => judged,
            Err(error) => {
                if let Some(Err(error)) = runner.into_inner() {
                    return Err(error.into());
                }
                // The log says that the command starts, so record that it did not.
                if let Some(event) = not_started {
                    let _ = home.audit.append(&[event]);
                }
                return Err(Denied::from(error).into());
            }
        };
        let mut runner = runner
            .into_inner()
            .unwrap_or_else(Runner::new)?
            .with_orphans(options.orphans);
        command
            .env("NIGHTLATCH_SESSION_ID", session.id().to_string())
            .env("NIGHTLATCH_ACCOUNT", session.username())
            .env(
                "NIGHTLATCH_SESSION_EXPIRES_AT",
                session.expires_at().to_rfc3339(),
            )
            .env("NIGHTLATCH_EXEC_ID", exec.to_string());
        // The command may run for hours, and recording its end takes no key: wipe the keys now.
        let (id, username) = (session.id(), session.username().to_owned());
        drop(session);
        tracing::info!(%exec, program = program.as_str(), "starting the command");
        let record = EndRecord {
            guard: self,
            home,
            exec,
            session: id,
            username,
            began: self.clock.now().boot,
        };
        let started = match options.scripts {
            Scripts::NeedInterpreter => runner.start(command, self.core_limit),
            Scripts::AsShellsDo => runner.start_plain(command, self.core_limit),
        };
        drop(lock);
        match started {
            Ok(child) => Ok(Running {
                runner,
                child,
                record,
                lease: ManuallyDrop::new(lease),
            }),
            Err(error) => {
                let _ = record.write(failed(&error));
                Err(error.into())
            }
        }
    }

    /// The digest that identifies this exact command line (the program as named, and its arguments)
    /// in the audit log. It is keyed by the account, so it needs a live session. Passive, as
    /// [`Guard::status`].
    ///
    /// # Errors
    /// [`Denied`].
    pub fn argv_digest<'a>(
        &self,
        argv: impl IntoIterator<Item = &'a OsStr>,
    ) -> Result<ArgvDigest, Denied> {
        let (home, owner) = self.signed_in()?;
        let session = home.sessions.peek(owner)?;
        Ok(argv_digest_of(&session, argv))
    }

    /// Records that `program` was refused. Best effort: it is refused in any case, and without a
    /// home there is no log.
    pub fn record_refusal(&self, program: &OsStr, denied: &Denied) {
        let Some(home) = &self.home else { return };
        let program = ProgramName::new(program);
        let event = Event::new(Details::CommandRefused {
            program,
            reason: refusal(denied),
        });
        let event = match self.last_known_name(home) {
            Some(name) => event.about(name),
            None => event,
        };
        if let Err(error) = home.audit.append_durable(&[event]) {
            tracing::warn!(%error, "cannot record the refusal");
        }
    }

    /// The name of the account whose session it would have been.
    fn last_known_name(&self, home: &Home) -> Option<AuditName> {
        match self.counting(home).ok()? {
            Counting::Of(owner) => home.name_of(owner.account),
            Counting::Other(_) => home.name_of(self.owner(home).ok().flatten()?.account),
            Counting::Nobody => None,
        }
    }
}

fn not_run(failure: CommandFailure) -> CommandEnd {
    CommandEnd::Failed(failure)
}

fn failed(error: &RunError) -> CommandEnd {
    not_run(match error {
        RunError::NotFound { .. } => CommandFailure::NotFound,
        error if error.exit_code() == 126 => CommandFailure::NotExecutable,
        _ => CommandFailure::NotStarted,
    })
}

fn refusal(denied: &Denied) -> CommandRefusal {
    match denied {
        Denied::NoSession { ended: None } | Denied::Elsewhere(_) => CommandRefusal::NoSession,
        Denied::NoSession {
            ended:
                Some(
                    EndReason::Idle
                    | EndReason::Max
                    | EndReason::Clock
                    | EndReason::Reboot
                    | EndReason::TimeNamespace
                    | EndReason::KeyGone,
                ),
        } => CommandRefusal::SessionExpired,
        Denied::NoSession { ended: Some(_) } => CommandRefusal::SessionInvalid,
        Denied::OtherAccount { .. } => CommandRefusal::OtherAccount,
        Denied::TooLittleTime { .. } => CommandRefusal::TooLittleTime,
        Denied::Failed(_) => CommandRefusal::Internal,
    }
}

/// A digest that distinguishes command lines in the log without revealing them; keyed by the
/// account.
fn argv_digest(session: &Session, command: &Command) -> ArgvDigest {
    let program = std::iter::once(command.get_program());
    argv_digest_of(session, program.chain(command.get_args()))
}

fn argv_digest_of<'a>(session: &Session, argv: impl IntoIterator<Item = &'a OsStr>) -> ArgvDigest {
    let key = kdf::derive(session.account_key(), labels::AUDIT_ARGV, b"");
    ArgvDigest::of(&key, argv.into_iter().map(OsStr::as_encoded_bytes))
}
