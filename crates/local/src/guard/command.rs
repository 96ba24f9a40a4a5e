//! Running a guarded command, from the session check to the record of its end.

use std::ffi::OsStr;
use std::mem::ManuallyDrop;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use super::command_secrets::CommandSecrets;
use super::guarded_commands::hang_up;
use super::lease::{Lease, Run};
use super::owner::Counting;
use super::run::{CommandTerminal, Ended, RunError, Runner, Started};
use super::run_options::{Refusals, RunOptions, Scripts};
use super::target::Target;
use super::{CommandError, Denied, Guard, GuardError, Home};
use crate::mask::Masking;
use crate::secrets::formats::SET_BY_THE_GUARD;
use crate::secrets::{SecretBinding, SecretName};
use crate::session::{EndReason, Owner, Recorded, Session, StillLive, Use, Used};
use nightlatch_audit::{
    ArgvDigest, AuditError, AuditName, CommandEnd, CommandFailure, CommandRefusal, Details, Event,
    ProgramName,
};
use nightlatch_core::clock::BootTime;
use nightlatch_core::crypto::{kdf, labels};
use nightlatch_core::id::{ExecId, SessionId};

/// A guarded command that has ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct Finished {
    /// Its exit code or signal.
    pub ended: Ended,
    /// Why its end could not be recorded, if so. Its start is recorded in any case.
    pub unrecorded: Option<GuardError>,
    /// Why not all of its masked output could be written, if so.
    pub unwritten: Option<std::io::Error>,
    /// The secrets that are too short to be masked; empty if masking was not asked for.
    pub unmasked: Vec<SecretName>,
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
    began: BootTime,
    lease: ManuallyDrop<Lease>,
    unmasked: Vec<SecretName>,
}

/// Hangs up a running command when its session ends, from any thread.
#[derive(Clone, Debug)]
pub struct HangUp(Target);

impl HangUp {
    /// Sends SIGHUP to the command and to all that it started, as when their terminal goes away, and
    /// resumes what is stopped.
    ///
    /// # Errors
    /// When its processes cannot be listed, or one of them runs as another user; the others got it.
    pub fn send(&self) -> std::io::Result<()> {
        hang_up(&self.0)
    }
}

/// The fields of the end record other than how and when the command ended.
struct EndRecord<'guard> {
    guard: &'guard Guard,
    home: &'guard Home,
    exec: ExecId,
    session: SessionId,
    username: String,
}

/// A start that the log has announced.
struct Starting<'a> {
    exec: ExecId,
    options: &'a RunOptions,
    secrets: CommandSecrets<'a>,
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

    /// For hanging up the command.
    pub fn hang_up(&self) -> HangUp {
        HangUp(Target {
            exec: self.record.exec,
            guard: i32::try_from(std::process::id()).ok(),
            command: self.lease.command(),
        })
    }

    /// The terminal that it runs on, if its output is masked and goes to a terminal.
    pub fn terminal(&self) -> Option<CommandTerminal> {
        self.child.terminal()
    }

    /// Waits for the command's end and records it.
    ///
    /// # Errors
    /// When the command cannot be waited for.
    pub fn finish(mut self) -> Result<Finished, CommandError> {
        // Kept until the end is recorded: before that, no signal may end this process.
        let result = self.runner.follow(self.child);
        let end = match &result {
            Ok((Ended::Code(code), _)) => CommandEnd::Exited(*code),
            Ok((Ended::Signal(signal), _)) => CommandEnd::Signalled(*signal),
            Err(error) => failed(error),
        };
        let took = self.record.guard.clock.now().boot.since(self.began);
        let recorded = self.record.write(end, took);
        drop(ManuallyDrop::into_inner(self.lease));
        let (ended, unwritten) = result?;
        Ok(Finished {
            ended,
            unrecorded: recorded.err().map(GuardError::from),
            unwritten,
            unmasked: self.unmasked,
        })
    }
}

impl EndRecord<'_> {
    /// Not synced: nothing depends on it, and the start is durable (see docs/adr).
    fn write(&self, end: CommandEnd, took: Duration) -> Result<(), AuditError> {
        let finished = Event::new(Details::CommandFinished {
            exec: self.exec,
            end,
            took,
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
    /// `NIGHTLATCH_EXEC_ID`, but never a key. It also gets the secrets that the configuration has for
    /// the program as it is named here; a variable that `command` sets itself keeps its value.
    ///
    /// # Errors
    /// When there is no live session or it would end too soon, the start cannot be recorded, or the
    /// command cannot be started.
    pub fn run(
        &self,
        command: &mut Command,
        options: &RunOptions,
    ) -> Result<Finished, CommandError> {
        self.start(command, options, &[])?.finish()
    }

    /// As [`Guard::run`], but does not wait for the command's end, and gives it `secrets` beside the
    /// configured ones. Without one of them it does not start.
    ///
    /// # Errors
    /// As [`Guard::run`], and when a secret is missing or cannot be given.
    pub fn start(
        &self,
        command: &mut Command,
        options: &RunOptions,
        secrets: &[SecretBinding],
    ) -> Result<Running<'_>, CommandError> {
        let result = self
            .signed_in()
            .map_err(CommandError::from)
            .and_then(|(home, owner)| self.start_for(home, owner, command, options, secrets));
        if let Err(CommandError::Denied(denied)) = &result
            && options.refusals == Refusals::Record
        {
            self.record_refusal(command.get_program(), denied);
        }
        result
    }

    /// The whole start of a command, in the order in which it must happen: judge the session, record
    /// the start, take the lease, extend the session, make the record durable without the lock,
    /// judge the session again, and start under the lock.
    pub(super) fn start_for<'guard>(
        &'guard self,
        home: &'guard Home,
        owner: Owner,
        command: &mut Command,
        options: &RunOptions,
        secrets: &[SecretBinding],
    ) -> Result<Running<'guard>, CommandError> {
        let exec = ExecId::random().map_err(GuardError::from)?;
        let secrets = &self.with_configured_secrets(command, secrets);
        let how = Use {
            action: "exec",
            extend: options.extend,
            min_remaining: options.min_remaining,
        };
        // Opened first, so that nobody waits for it under the lock.
        let directory = CommandSecrets::open(home, secrets)?;
        let lock = home.sessions.lock_to_use(owner.account)?;
        let judged = lock.judge(owner, how)?;
        let session = judged.session();
        let (secrets, used) = CommandSecrets::find(directory.as_ref(), session, exec, secrets)?;
        let recording = judged.await_log()?;
        // Up to here the guard may have to wait, and a signal ends it. From here on a signal ends
        // the command instead: the guard must release a lease and record the end.
        let mut runner = Runner::new()?.with_orphans(options.orphans);
        let session = recording.session();
        let record = EndRecord {
            guard: self,
            home,
            exec,
            session: session.id(),
            username: session.username().to_owned(),
        };
        let started = session.event(Details::CommandStarted {
            exec,
            program: ProgramName::new(command.get_program()),
            argv: argv_digest(session, command),
        });
        let recorded = recording.record(std::iter::once(started).chain(used))?;
        let unmasked = match options.mask {
            Some(_) => secrets.too_short_to_mask(),
            None => Vec::new(),
        };
        let starting = Starting {
            exec,
            options,
            secrets,
        };
        let started = self.start_recorded(home, starting, recorded, &mut runner, command);
        match started {
            Ok((child, began, lease)) => Ok(Running {
                runner,
                child,
                record,
                began,
                lease: ManuallyDrop::new(lease),
                unmasked,
            }),
            // The log says that the command starts, so record that it did not.
            Err(error) => {
                let _ = record.write(not_started(&error), Duration::ZERO);
                Err(error)
            }
        }
    }

    /// The second half of a start, which the log has announced.
    fn start_recorded(
        &self,
        home: &Home,
        Starting {
            exec,
            options,
            secrets,
        }: Starting<'_>,
        recorded: Recorded<'_>,
        runner: &mut Runner,
        command: &mut Command,
    ) -> Result<(Started, BootTime, Lease), CommandError> {
        let program = ProgramName::new(command.get_program());
        let session = recorded.session();
        let run = Run {
            exec,
            session: session.id(),
            account: Some(session.account()),
        };
        let mut lease = Lease::take(&home.dir, run, program.as_str()).map_err(GuardError::from)?;
        let Used { session, record } = recorded.publish()?;
        // Without the lock, so that a slow disk blocks nobody else.
        record.sync().map_err(GuardError::from)?;
        if let Some(sign) = options.mask {
            let patterns = Arc::new(secrets.patterns());
            if !patterns.is_empty() {
                runner.mask(Masking { patterns, sign });
            }
        }
        // Act on a stop now, while no lock is held: a stopped process must not hold one.
        runner.stop_if_told();
        let StillLive { session, lock } = home.sessions.lock()?.judge_again(session)?;
        let values = [
            session.id().to_string(),
            session.username().to_owned(),
            session.expires_at().to_rfc3339(),
            exec.to_string(),
        ];
        command.envs(SET_BY_THE_GUARD.into_iter().zip(values));
        // The command may run for hours, and recording its end takes no key: wipe the keys now.
        drop(session);
        tracing::info!(%exec, program = program.as_str(), "starting the command");
        let began = self.clock.now().boot;
        let given = secrets.give(command)?;
        let child = match options.scripts {
            Scripts::NeedInterpreter => runner.start(command, self.core_limit),
            Scripts::AsShellsDo => runner.start_plain(command, self.core_limit),
        };
        given.take_back(command);
        let child = child?;
        lease.note_command(child.id());
        drop(lock);
        Ok((child, began, lease))
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
        })
        .about(self.last_known_name(home));
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

/// The end of a command whose start was recorded, and failed.
fn not_started(error: &CommandError) -> CommandEnd {
    match error {
        CommandError::Denied(_) | CommandError::Secret(_) => {
            CommandEnd::Failed(CommandFailure::NotStarted)
        }
        CommandError::Start(error) => failed(error),
    }
}

fn failed(error: &RunError) -> CommandEnd {
    CommandEnd::Failed(match error {
        RunError::NotFound { .. } => CommandFailure::NotFound,
        error if error.exit_code() == 126 => CommandFailure::NotExecutable,
        _ => CommandFailure::NotStarted,
    })
}

fn refusal(denied: &Denied) -> CommandRefusal {
    match denied {
        Denied::NoSession { ended: None } | Denied::Elsewhere(_) => CommandRefusal::NoSession,
        Denied::Revoked(_)
        | Denied::NoSession {
            ended: Some(EndReason::Revoked),
        } => CommandRefusal::SessionRevoked,
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
    let key = kdf::derive(session.account_key().key(), labels::AUDIT_ARGV, b"");
    ArgvDigest::of(&key, argv.into_iter().map(OsStr::as_encoded_bytes))
}
