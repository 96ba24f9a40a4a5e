//! The origin of an event: machine, user, process and terminal.

use super::text::bounded;

/// The longest host name and terminal name written, in characters.
const LENGTH: usize = 64;

/// The machine, user, process and terminal recorded with every event of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    host: String,
    uid: u32,
    pid: u32,
    tty: Option<String>,
}

impl Origin {
    /// From its parts; `tty` has the form `pts/3`. Names are truncated to 64 characters.
    pub fn new(host: &str, uid: u32, pid: u32, tty: Option<&str>) -> Self {
        Self {
            host: bounded(host, LENGTH),
            uid,
            pid,
            tty: tty.map(|tty| bounded(tty, LENGTH)),
        }
    }

    /// The origin of this process: the host name, the real user, and the terminal on the first of
    /// standard input, output and error that is one.
    #[cfg(unix)]
    pub fn of_this_process() -> Self {
        let node = rustix::system::uname();
        let tty = [
            terminal(std::io::stdin()),
            terminal(std::io::stdout()),
            terminal(std::io::stderr()),
        ];
        Self::new(
            &node.nodename().to_string_lossy(),
            rustix::process::getuid().as_raw(),
            std::process::id(),
            tty.iter().flatten().next().map(String::as_str),
        )
    }

    /// Empty: this platform has no home, and so no log.
    #[cfg(windows)]
    pub fn of_this_process() -> Self {
        Self::new("(unknown)", u32::MAX, std::process::id(), None)
    }

    /// The machine's name.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The user's numeric id.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// The process's id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The terminal's name below `/dev`, if there is one.
    pub fn tty(&self) -> Option<&str> {
        self.tty.as_deref()
    }
}

/// The name of the terminal on `stream`, without `/dev/`; `None` if it is not a terminal.
#[cfg(unix)]
fn terminal(stream: impl std::os::fd::AsFd) -> Option<String> {
    let name = rustix::termios::ttyname(stream, Vec::new()).ok()?;
    let name = name.to_string_lossy();
    Some(name.strip_prefix("/dev/").unwrap_or(&name).to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn this_process_names_itself() {
        let origin = Origin::of_this_process();
        assert_eq!(origin.pid(), std::process::id());
        assert!(!origin.host().is_empty());
        assert!(origin.tty().is_none_or(|tty| !tty.starts_with("/dev/")));
    }

    #[test]
    fn a_file_is_no_terminal() {
        assert_eq!(terminal(tempfile::tempfile().unwrap()), None);
    }
}
