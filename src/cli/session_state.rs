//! The state of the session, for commands that only look.

use std::time::Duration;

use nightlatch_local::guard::{Guard, GuardError};
use nightlatch_local::session::keeper::answer_within;
use nightlatch_local::session::{KeeperError, SessionError, SessionStatus};

use super::exit::{Code, Failure};
use crate::cli::hints::Hint;

/// How long whoever only looks waits for an agent that does not answer.
const PATIENCE: Duration = Duration::from_millis(200);

/// The state of the session, for whoever only looks and waits for nobody. That it cannot be told must not be
/// taken for yes.
pub fn look(guard: &Guard) -> Result<SessionStatus, Failure> {
    wait_for_nobody();
    guard.status().map_err(|error| match error {
        GuardError::Session(SessionError::Keeper(
            error @ (KeeperError::NoAnswer { .. } | KeeperError::NoSocket),
        )) => Failure::new(
            Code::NoSession,
            "session_unknown",
            format!("cannot tell whether there is a live session: {error}"),
        )
        .hint(error.hint()),
        error => error.into(),
    })
}

/// From now on an agent that does not answer is waited for for a moment at most.
pub fn wait_for_nobody() {
    answer_within(PATIENCE);
}
