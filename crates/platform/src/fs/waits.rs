//! Waits that take long, and who is told of them.

use std::path::Path;
use std::sync::OnceLock;

/// After how long a wait is spoken of.
#[cfg(unix)] // elsewhere nothing is waited for
pub const SPOKEN_OF: std::time::Duration = std::time::Duration::from_secs(2);

/// A wait that has taken two seconds.
#[derive(Debug)]
#[non_exhaustive]
pub enum Wait<'a> {
    /// For a lock.
    Lock {
        /// What is locked.
        path: &'a Path,
        /// The process that holds the lock, where the system says which.
        holder: Option<i32>,
    },
    /// For the answer of the agent.
    Agent {
        /// Its process id; 0 where that cannot be told.
        process: i32,
    },
}

/// What is done with it.
type Told = Box<dyn Fn(&Wait<'_>) + Send + Sync>;

static TOLD: OnceLock<Told> = OnceLock::new();

/// Calls `told`, once for each wait, when another process has been waited for for two seconds, so that a
/// person need not wonder. For the program, at its start: a second call changes nothing.
pub fn tell_of_waits(told: impl Fn(&Wait<'_>) + Send + Sync + 'static) {
    let _ = TOLD.set(Box::new(told));
}

/// Tells of `wait`, if anybody is to be told.
#[cfg(unix)] // as above
pub fn tell(wait: &Wait<'_>) {
    if let Some(told) = TOLD.get() {
        told(wait);
    }
}
