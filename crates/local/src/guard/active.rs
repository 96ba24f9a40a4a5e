//! Proof of a live session.

use std::marker::PhantomData;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use super::secrets::Secrets;
use super::{CommandError, Denied, Finished, Guard, Home, RunOptions};
use crate::session::{Owner, Session, SessionStatus, Use};
use nightlatch_core::clock::Timestamp;
use nightlatch_core::id::SessionId;

impl Guard {
    /// Requires a live session for `action` (a word or two for the audit log, such as "deploy") and
    /// returns proof of it. Counts as activity and is recorded.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn require(&self, action: &str) -> Result<ActiveSession<'_>, Denied> {
        let (home, owner) = self.signed_in()?;
        self.require_of(home, owner, action)
    }

    /// As [`Guard::require`], for the given account.
    fn require_of<'guard>(
        &'guard self,
        home: &'guard Home,
        owner: Owner,
        action: &str,
    ) -> Result<ActiveSession<'guard>, Denied> {
        let how = Use {
            action,
            extend: true,
            min_remaining: Duration::ZERO,
        };
        // Not synced: nothing depends on it yet. Using the session syncs it.
        let used = home.sessions.use_now(owner, how)?;
        Ok(ActiveSession::mint(self, home, used.session))
    }

    /// Counts as activity, without running a command.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn extend(&self) -> Result<SessionStatus, Denied> {
        self.require("extend").map(|session| session.status())
    }
}

/// Proof that there was a live session when it was checked, with the time at which that session
/// ends without activity. A function that needs a session takes a reference to one:
///
/// ```
/// use nightlatch_local::guard::{ActiveSession, CommandError};
///
/// fn deploy(session: &ActiveSession<'_>) -> Result<(), CommandError> {
///     println!("deploying as {}", session.username());
///     session.run(&mut std::process::Command::new("true"))?;
///     Ok(())
/// }
/// ```
///
/// Only the guard creates one, after a check that it has made and recorded:
/// ```
/// fn check(guard: &nightlatch_local::guard::Guard) -> Result<(), nightlatch_local::guard::Denied> {
///     let proof: nightlatch_local::guard::ActiveSession<'_> = guard.require("deploy")?;
///     drop(proof);
///     Ok(())
/// }
/// ```
/// It cannot be constructed by other code:
/// ```compile_fail,E0451
/// fn forge<'a>(proof: nightlatch_local::guard::ActiveSession<'a>) -> nightlatch_local::guard::ActiveSession<'a> {
///     nightlatch_local::guard::ActiveSession { session: todo!(), ..proof }
/// }
/// ```
/// It can be borrowed:
/// ```
/// fn lend<'a>(proof: &'a nightlatch_local::guard::ActiveSession<'a>) -> &'a nightlatch_local::guard::ActiveSession<'a> {
///     proof
/// }
/// ```
/// It cannot be cloned, so it cannot be kept beyond the borrow:
/// ```compile_fail,E0277
/// fn keep<'a>(proof: &nightlatch_local::guard::ActiveSession<'a>) -> nightlatch_local::guard::ActiveSession<'a> {
///     nightlatch_local::guard::ActiveSession::clone(proof)
/// }
/// ```
/// It lives at most as long as its guard:
/// ```
/// fn use_up(guard: nightlatch_local::guard::Guard) {
///     let proof = guard.require("deploy");
///     drop(proof);
///     drop(guard);
/// }
/// ```
/// and no longer:
/// ```compile_fail,E0505
/// fn outlive(guard: nightlatch_local::guard::Guard) {
///     let proof = guard.require("deploy");
///     drop(guard);
///     drop(proof);
/// }
/// ```
/// It can be used in the thread that made the check:
/// ```
/// fn stay(proof: nightlatch_local::guard::ActiveSession<'static>) {
///     let work = move || drop(proof);
///     work();
/// }
/// ```
/// and in no other:
/// ```compile_fail,E0277
/// fn send(proof: nightlatch_local::guard::ActiveSession<'static>) {
///     let work = move || drop(proof);
///     std::thread::spawn(work);
/// }
/// ```
#[must_use = "a check whose proof nobody looks at protects nothing"]
pub struct ActiveSession<'guard> {
    guard: &'guard Guard,
    home: &'guard Home,
    session: Session,
    _stays_in_its_thread: PhantomData<*const ()>,
}

impl<'guard> ActiveSession<'guard> {
    /// The only function that creates one, from a session that the session service judged live.
    pub(super) fn mint(guard: &'guard Guard, home: &'guard Home, session: Session) -> Self {
        Self {
            guard,
            home,
            session,
            _stays_in_its_thread: PhantomData,
        }
    }

    /// The session's id.
    pub fn session_id(&self) -> SessionId {
        self.session.id()
    }

    /// The normalized email of the account that signed in.
    pub fn username(&self) -> &str {
        self.session.username()
    }

    /// When the session ends without further activity.
    pub fn expires_at(&self) -> Timestamp {
        self.session.expires_at()
    }

    /// The session's status, as `nightlatch status` shows it.
    pub fn status(&self) -> SessionStatus {
        self.session.status()
    }

    /// The secrets of the session's account. Each use of them requires a live session again, because
    /// this proof may be old.
    pub fn secrets(&self) -> Secrets<'guard> {
        let owner = self.session.account().into();
        Secrets::new(self.home, owner, Arc::clone(&self.guard.clock))
    }

    /// Checks again, as [`Guard::require`] does, for work that pauses between steps. It checks the
    /// same account, even if another one has signed in meanwhile, and consumes the old proof.
    ///
    /// # Errors
    /// [`Denied`], when the session has ended meanwhile.
    pub fn recheck(self, action: &str) -> Result<Self, Denied> {
        let owner = self.session.account().into();
        self.guard.require_of(self.home, owner, action)
    }

    /// Runs `command` under the guard, as `nightlatch exec` does, and waits for its end. The
    /// session is judged once more and extended, and the start is recorded durably before the
    /// command starts.
    ///
    /// # Errors
    /// When the session has ended meanwhile, the start cannot be recorded, or the command cannot be
    /// started.
    pub fn run(&self, command: &mut Command) -> Result<Finished, CommandError> {
        let owner = self.session.account().into();
        self.guard
            .start_for(self.home, owner, command, &RunOptions::default(), &[])?
            .finish()
    }
}
