//! Proof of a live session.

use std::marker::PhantomData;
use std::process::Command;

use super::{CommandError, Denied, Finished, Guard, Home, RunOptions};
use crate::clock::Timestamp;
use crate::id::SessionId;
use crate::session::{Session, SessionStatus};

/// Proof that there was a live session when it was checked, and until when it lives on without
/// activity. A function that must not run for just anyone takes a reference to one:
///
/// ```
/// use nightlatch::{ActiveSession, CommandError};
///
/// fn deploy(session: &ActiveSession<'_>) -> Result<(), CommandError> {
///     println!("deploying as {}", session.username());
///     session.run(&mut std::process::Command::new("true"))?;
///     Ok(())
/// }
/// ```
///
/// Only the guard makes one, out of a check it has done and recorded. It cannot be made by hand:
/// ```compile_fail,E0451
/// let forged = nightlatch::ActiveSession { guard: todo!(), home: todo!(), session: todo!() };
/// ```
/// It cannot be copied, and so not be kept beyond what it was lent for:
/// ```compile_fail,E0599
/// fn keep(session: &nightlatch::ActiveSession<'_>) {
///     let kept: nightlatch::ActiveSession<'_> = session.to_owned().clone().into_inner();
/// }
/// ```
/// It does not outlive its guard:
/// ```compile_fail,E0597
/// fn outlive<'a>(config: nightlatch::GuardConfig) -> nightlatch::ActiveSession<'a> {
///     let guard = nightlatch::Guard::open(config).unwrap();
///     let session: nightlatch::ActiveSession<'a> = guard.require("x").unwrap();
///     session
/// }
/// ```
/// And it stays in the thread that checked:
/// ```compile_fail,E0277
/// fn send(session: nightlatch::ActiveSession<'static>) {
///     std::thread::spawn(move || drop(session));
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
    /// The only place where one is made, from what the session service judged live.
    pub(super) fn mint(guard: &'guard Guard, home: &'guard Home, session: Session) -> Self {
        Self {
            guard,
            home,
            session,
            _stays_in_its_thread: PhantomData,
        }
    }

    /// The session.
    pub fn session_id(&self) -> SessionId {
        self.session.id()
    }

    /// The normalized email of the account that signed in.
    pub fn username(&self) -> &str {
        self.session.username()
    }

    /// When the session ends unless there is further activity.
    pub fn expires_at(&self) -> Timestamp {
        self.session.expires_at()
    }

    /// The session as `nightlatch status` tells of it.
    pub fn status(&self) -> SessionStatus {
        self.session.status()
    }

    /// Checks again, as [`Guard::require`] does, for work that takes its time between steps. The old
    /// proof is used up.
    ///
    /// # Errors
    /// [`Denied`], when the session has ended meanwhile.
    pub fn recheck(self, action: &str) -> Result<Self, Denied> {
        self.guard.require(action)
    }

    /// Runs `command` under the guard, as `nightlatch exec` does, and waits for its end: the session
    /// is judged once more and extended, and the start is recorded durably before the command
    /// starts.
    ///
    /// # Errors
    /// When the session has ended meanwhile, the start cannot be recorded, or the command cannot be
    /// started.
    pub fn run(&self, command: &mut Command) -> Result<Finished, CommandError> {
        let owner = self.session.account().into();
        self.guard
            .run_for(self.home, owner, command, &RunOptions::default())
    }
}
