//! Starting the agent process.

use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use super::READY;
use super::socket::interrupted;
use crate::session::keeper::AgentLauncher;
use nightlatch_core::clock::{BootTime, Clock};
use nightlatch_platform::clock::SystemClock;
use nightlatch_platform::clock::alarm::timespec;

/// Result of starting an agent.
pub(super) enum Started {
    /// The agent accepts connections.
    Ready(Child),
    /// It exited at once without an error: another agent is running, or was a moment ago.
    Left,
}

impl AgentLauncher {
    /// Starts the agent and waits until it is ready, at most until `deadline`. It inherits nothing:
    /// no environment, no terminal, no open files.
    ///
    /// # Errors
    /// A description, when it cannot be started, fails, or is not ready in time.
    pub(super) fn start(&self, deadline: BootTime) -> Result<Started, String> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = nightlatch_core::memory::without_inheritance(|| command.spawn())
            .map_err(|error| format!("{}: {error}", self.program.display()))?;
        match wait_until_ready(&mut child, deadline) {
            Ok(true) => Ok(Started::Ready(child)),
            Ok(false) => end_of(&mut child, deadline),
            Err(error) => {
                // Nobody will use it now.
                let _ = child.kill();
                let _ = child.wait();
                Err(error.to_string())
            }
        }
    }
}

/// Reads the child's output until it reports that it is ready; `false` when it ends before that.
fn wait_until_ready(child: &mut Child, deadline: BootTime) -> io::Result<bool> {
    let Some(mut stdout) = child.stdout.take() else {
        return Ok(false);
    };
    let mut said = [0; 64];
    loop {
        let left = remaining(deadline);
        let mut fds = [PollFd::new(&stdout, PollFlags::IN)];
        match poll(&mut fds, Some(&timespec(left))) {
            Ok(0) => return Err(io::Error::other("it did not get ready in time")),
            Ok(_) => {}
            Err(error) if interrupted(error) => continue,
            Err(error) => return Err(error.into()),
        }
        match stdout.read(&mut said) {
            Ok(0) => return Ok(false),
            Ok(count) if said[..count].contains(&READY) => return Ok(true),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The exit of a child that did not become ready.
fn end_of(child: &mut Child, deadline: BootTime) -> Result<Started, String> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(Started::Left),
            Ok(Some(status)) => return Err(format!("it ended with {status}")),
            Ok(None) if remaining(deadline) > Duration::ZERO => {
                SystemClock.sleep(Duration::from_millis(5));
            }
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err("it did not get ready in time".to_owned());
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// The time left until `deadline`. Waiting for a process takes real time, whatever clock judges the
/// sessions.
pub(super) fn remaining(deadline: BootTime) -> Duration {
    deadline.since(SystemClock.now().boot)
}
