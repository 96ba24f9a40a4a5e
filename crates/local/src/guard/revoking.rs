//! The andon cord: listing the sessions of a home and revoking them, with the commands under them.

use std::time::Duration;

use super::guarded_commands::{
    EndCommandsError, EndedCommand, EndingCommands, GuardedCommand, Scope, running_in,
};
use super::{Guard, GuardError, Home};
use crate::account::Email;
use crate::session::{EndCause, EndedSession, Ending, SessionStatus};
use nightlatch_audit::{Appended, CommandEnd, Details, Event, RevocationReason};
use nightlatch_core::id::{AccountId, SessionId};

/// How long to wait for the audit log's lock.
const PATIENCE: Duration = Duration::from_secs(2);
/// SIGTERM and SIGKILL; the numbers are the same on every system.
const TERMINATED: i32 = 15;
const KILLED: i32 = 9;

/// Whose sessions to revoke.
///
/// ```
/// use nightlatch_local::guard::{CommandsUnder, Guard, Revoke};
/// # let scratch = tempfile::tempdir()?;
/// # let config = nightlatch_local::guard::GuardConfig::under(scratch.path().join("home"));
///
/// let guard = Guard::open(config)?;
/// let revoked = guard.revoke(&Revoke::All, &"laptop lost".parse()?, CommandsUnder::End)?;
/// assert!(revoked.ending.failures.is_empty() && revoked.commands.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Revoke {
    /// The session of the selected account, or of the one in use.
    Selected,
    /// This account's.
    OfAccount(Email),
    /// This one.
    Session(SessionId),
    /// Those of all accounts.
    All,
}

/// What becomes of the guarded commands under a session that is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandsUnder {
    /// They are asked to end, and killed after five seconds.
    End,
    /// They keep running.
    Keep,
}

/// The result of revoking sessions.
#[derive(Debug)]
#[non_exhaustive]
#[must_use = "a session or command that could not be ended may go on"]
pub struct Revoked {
    /// The sessions: those that were ended, and what failed.
    pub ending: Ending,
    /// The commands under them, and under earlier sessions of the same accounts.
    pub commands: Vec<EndedCommand>,
    /// Why not all commands may have been found, if so.
    pub commands_failure: Option<EndCommandsError>,
}

/// A session of an account, and the guarded commands that run under it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionListing {
    /// Its status. It has ended where it is not active, and commands under it are still running.
    pub status: SessionStatus,
    /// The commands, the longest-running first.
    pub commands: Vec<GuardedCommand>,
}

impl Guard {
    /// The live sessions of all accounts, sorted by email, and those that have ended while commands
    /// under them are still running. Passive, as [`Guard::status`].
    ///
    /// # Errors
    /// When the sessions or the commands cannot be read.
    pub fn sessions(&self) -> Result<Vec<SessionListing>, GuardError> {
        let Some(home) = &self.home else {
            return Ok(Vec::new());
        };
        let mut commands = running_in(&home.dir, self.clock.now().boot)?;
        let mut listings = Vec::new();
        for status in home.sessions.statuses()? {
            let under =
                |command: &mut GuardedCommand| Some(command.session_id) == status.session_id;
            let commands = commands.extract_if(.., under).collect();
            listings.push(SessionListing { status, commands });
        }
        listings.sort_by(|one, other| one.status.username.cmp(&other.status.username));
        // The rest run under sessions that are over.
        while let Some(first) = commands.first() {
            let session = first.session_id;
            let under = |command: &mut GuardedCommand| command.session_id == session;
            listings.push(SessionListing {
                status: SessionStatus::over(session),
                commands: commands.extract_if(.., under).collect(),
            });
        }
        Ok(listings)
    }

    /// Revokes sessions, without a password or a live session, as [`Guard::lock`] ends them: it
    /// destroys the keys first and reports afterwards. The account's next status and refusal give the
    /// `reason`, and no copy of the session lives again. Unless they are kept, the guarded commands
    /// of the accounts end within six seconds, with all processes that they have started.
    ///
    /// # Errors
    /// When it is not clear which session is meant, or there is no such account or session. Nothing
    /// was revoked then.
    pub fn revoke(
        &self,
        whose: &Revoke,
        reason: &RevocationReason,
        commands: CommandsUnder,
    ) -> Result<Revoked, GuardError> {
        let begun = self.clock.now().boot;
        let nothing = Revoked {
            ending: Ending::default(),
            commands: Vec::new(),
            commands_failure: None,
        };
        let Some(home) = &self.home else {
            return Ok(nothing);
        };
        let cause = EndCause::Revoked(reason.clone());
        let of_account = |account, cause| {
            let ending = home.sessions.end_one(account, cause);
            (ending, Scope::OfAccount(account))
        };
        let (ending, scope) = match whose {
            Revoke::OfAccount(email) => of_account(account_of(home, email)?, cause),
            Revoke::Selected => match self.account_to_end(home)? {
                Some(account) => of_account(account, cause),
                None => return Ok(nothing),
            },
            Revoke::Session(session) => {
                let ending = home.sessions.end_session(*session, cause);
                (ending, Scope::OfSession(*session))
            }
            Revoke::All => (home.end_all(cause), Scope::All),
        };
        let is_unknown = ending.accounts().is_empty();
        // Before the record, which may have to wait for the disk or another process.
        let asked = match commands {
            CommandsUnder::End => Some(EndingCommands::ask(&home.dir, &*self.clock, scope, begun)),
            CommandsUnder::Keep => None,
        };
        let ending = ending.record();
        let mut revoked = Revoked { ending, ..nothing };
        if let Some(asked) = asked {
            (revoked.commands, revoked.commands_failure) = asked.finish();
            revoked.record_for_killed_guards(home);
        }
        match whose {
            // Whoever revokes a session a second time finds it revoked.
            Revoke::Session(session)
                if is_unknown
                    && revoked.commands.is_empty()
                    && !home.sessions.was_revoked(*session)? =>
            {
                Err(GuardError::NoSuchSession(*session))
            }
            _ => Ok(revoked),
        }
    }
}

/// The account with this email. If the account directory is damaged, the one whose live session
/// names it.
fn account_of(home: &Home, email: &Email) -> Result<AccountId, GuardError> {
    let known = home.accounts.find(email);
    if let Ok(Some(account)) = &known {
        return Ok(account.id);
    }
    for account in home.sessions.accounts()? {
        let name = home.sessions.live_name(account);
        if name.is_ok_and(|name| name.as_deref() == Some(email.normalized())) {
            return Ok(account);
        }
    }
    known?;
    Err(GuardError::NoSuchAccount(email.normalized().to_owned()))
}

impl Revoked {
    /// The sessions that were ended.
    pub fn sessions(&self) -> &[EndedSession] {
        &self.ending.ended
    }

    /// Records the end of commands whose guards were killed, by the last signal that was sent.
    fn record_for_killed_guards(&mut self, home: &Home) {
        let unrecorded = self
            .commands
            .iter()
            .filter(|ended| ended.is_unrecorded && ended.left.is_none());
        let events: Vec<_> = unrecorded
            .map(|ended| {
                let command = &ended.command;
                let signal = if ended.was_killed { KILLED } else { TERMINATED };
                let finished = Event::new(Details::CommandFinished {
                    exec: command.exec_id,
                    end: CommandEnd::Signalled(signal),
                    took: command.running_for.unwrap_or_default(),
                });
                let name = command.account.and_then(|account| home.name_of(account));
                finished.about(name).in_session(command.session_id)
            })
            .collect();
        self.record(home, &events);
    }

    fn record(&mut self, home: &Home, events: &[Event]) {
        if events.is_empty() {
            return;
        }
        let recorded = home.audit.append_within(events, PATIENCE);
        if let Err(error) = recorded.and_then(Appended::sync) {
            self.ending.failures.push(error.into());
        }
    }
}
