//! Reports long waits to the user.

use std::path::Path;
use std::sync::OnceLock;

/// How long a wait lasts before it is reported.
#[cfg(unix)] // other platforms have no such waits
pub const SPOKEN_OF: std::time::Duration = std::time::Duration::from_secs(2);

/// A wait that has lasted two seconds.
#[derive(Debug)]
#[non_exhaustive]
pub enum Wait<'a> {
    /// For a lock.
    Lock {
        /// The locked file or directory.
        path: &'a Path,
        /// The process that holds the lock, if the system says which.
        holder: Option<i32>,
    },
    /// For the agent's answer.
    Agent {
        /// Its process id; 0 when unknown.
        process: i32,
    },
}

/// The function that reports a wait.
type Told = Box<dyn Fn(&Wait<'_>) + Send + Sync>;

static TOLD: OnceLock<Told> = OnceLock::new();

/// Sets `told`, which is called once for each wait for another process that has lasted two seconds,
/// so that the user knows the reason. Call this when the program starts; a second call changes
/// nothing.
pub fn tell_of_waits(told: impl Fn(&Wait<'_>) + Send + Sync + 'static) {
    let _ = TOLD.set(Box::new(told));
}

/// Reports `wait`, if a function was set.
#[cfg(unix)] // as above
pub fn tell(wait: &Wait<'_>) {
    if let Some(told) = TOLD.get() {
        told(wait);
    }
}
