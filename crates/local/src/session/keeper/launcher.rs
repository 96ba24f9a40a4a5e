//! How the agent is started.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

/// How the agent is started: a program that calls [`serve_agent`](super::serve_agent).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AgentLauncher {
    /// The program's absolute path.
    pub program: PathBuf,
    /// Its arguments, which contain the absolute path of the home.
    pub args: Vec<OsString>,
}

impl AgentLauncher {
    /// Starts `program`, by its absolute path, with `args`, which contain the absolute path of the
    /// home. It gets no environment and no open files, and `/` as its directory.
    pub fn new(
        program: impl Into<PathBuf>,
        args: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Self {
        Self {
            program: program.into(),
            args: args.into_iter().map(Into::into).collect(),
        }
    }
}

/// Returns how to start the agent, called when one has to be started; `None` when that is unknown.
pub type AgentLaunch = Arc<dyn Fn() -> Option<AgentLauncher> + Send + Sync>;
