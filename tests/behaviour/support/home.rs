//! A scratch home for a person who runs the real program.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_nightlatch");

/// The email of the account that [`Home::registered`] creates.
pub const EMAIL: &str = "alice@example.com";
/// A password that follows every rule.
pub const PASSWORD: &str = "Seven brass kettles on a fence!";
/// Another such password.
pub const OTHER_PASSWORD: &str = "A harbour wall, 11 gulls asleep";

/// The cheapest permitted hashing, since most tests are about other things.
const QUICK: &str = "[password]\nmemory_kib = 19456\npasses = 2\n";

/// Tests must not write to the machine's system log.
const SILENT: &str = "syslog = false";

/// A scratch home. When it is dropped, its sessions are ended and its files removed.
pub struct Home {
    scratch: tempfile::TempDir,
    keeper: Option<&'static str>,
}

impl Home {
    /// A home that does not exist yet, except for a configuration with cheap hashing.
    pub fn new() -> Self {
        let home = Self::bare();
        std::fs::create_dir(home.path()).unwrap();
        home.configure("");
        home
    }

    /// A home that does not exist at all.
    pub fn bare() -> Self {
        take_signals_as_usual();
        Self {
            scratch: tempfile::tempdir().unwrap(),
            keeper: None,
        }
    }

    /// A home with an account.
    pub fn registered() -> Self {
        let home = Self::new();
        home.register(EMAIL, PASSWORD).succeeds();
        home
    }

    /// A home with an account that is signed in.
    pub fn signed_in() -> Self {
        let home = Self::registered();
        home.login(&[]).succeeds();
        home
    }

    /// A home with an account that is signed in, and this keeper forced in all later commands.
    pub fn signed_in_with(keeper: &'static str) -> Self {
        let home = Self::registered().with_keeper(keeper);
        home.login(&[]).succeeds();
        home
    }

    /// Forces one keeper in all later commands.
    #[must_use]
    pub fn with_keeper(mut self, keeper: &'static str) -> Self {
        self.keeper = Some(keeper);
        self
    }

    /// The path of the home.
    pub fn path(&self) -> PathBuf {
        self.scratch.path().join("home")
    }

    /// A path beside the home, which the program does not access.
    pub fn outside(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Writes the configuration file: `more`, and cheap hashing below it.
    pub fn configure(&self, more: &str) {
        self.configure_audit(more, SILENT);
    }

    /// Like [`Home::configure`], with `audit` as the settings of the audit log.
    pub fn configure_audit(&self, more: &str, audit: &str) {
        let text = format!("{more}\n{QUICK}\n[audit]\n{audit}\n");
        std::fs::write(self.path().join("config.toml"), text).unwrap();
    }

    /// The program with these arguments, in an otherwise empty environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.surround(Command::new(PROGRAM));
        command.args(arguments);
        command
    }

    /// The program with these arguments, started by `tool` with these `options`.
    pub fn command_under(&self, tool: &str, options: &[&str], arguments: &[&str]) -> Command {
        let mut command = self.surround(Command::new(tool));
        command.args(options).arg(PROGRAM).args(arguments);
        command
    }

    fn surround(&self, mut command: Command) -> Command {
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.scratch.path())
            .env("TERM", "xterm")
            .env("TZ", "UTC")
            .env("NIGHTLATCH_PAGER", "cat")
            .env("NIGHTLATCH", PROGRAM)
            .env("GUARD", format!("{PROGRAM} exec --"))
            .env("NIGHTLATCH_HOME", self.path())
            .stdin(Stdio::null());
        // Where `.ci/coverage` has the program write which lines ran.
        if let Some(profile) = std::env::var_os("LLVM_PROFILE_FILE") {
            command.env("LLVM_PROFILE_FILE", profile);
        }
        if let Some(keeper) = self.keeper {
            command.env("NIGHTLATCH_KEEPER", keeper);
        }
        command
    }

    /// A shell that runs `script` in the same environment, with `$GUARD` for `exec --` and
    /// `$NIGHTLATCH` for the program.
    pub fn shell(&self, script: &str) -> Command {
        let mut command = self.surround(Command::new("/bin/sh"));
        command.args(["-c", script]);
        command
    }

    /// An interactive shell in the same environment, with job control and a prompt of `$ `.
    pub fn interactive_shell(&self) -> Command {
        let mut command = self.surround(Command::new("bash"));
        command
            .args(["--norc", "--noprofile", "--noediting", "-i"])
            .env("PS1", "$ ");
        command
    }

    /// An executable beside the home that runs `script`, in the directory that comes first in
    /// [`Home::search_path`].
    pub fn script(&self, name: &str, script: &str) -> PathBuf {
        let directory = self.outside("bin");
        std::fs::create_dir_all(&directory).unwrap();
        let program = directory.join(name);
        // Written by another process: if this one had the file open, a child that another test is
        // starting would inherit it, and a program that is open for writing cannot be run.
        let write = "printf '#!/bin/sh\\n%s\\n' \"$2\" >\"$1\" && chmod 755 \"$1\"";
        let mut writer = Command::new("/bin/sh");
        writer.args(["-c", write, "sh"]).arg(&program).arg(script);
        assert!(writer.status().unwrap().success());
        program
    }

    /// A value of `PATH` with the [scripts](Home::script) first.
    pub fn search_path(&self) -> String {
        let path = std::env::var("PATH").unwrap();
        format!("{}:{path}", self.outside("bin").display())
    }

    /// Runs the program until it ends.
    pub fn run(&self, arguments: &[&str]) -> Run {
        Run::of(self.command(arguments))
    }

    /// Runs the program with `input` on its standard input.
    pub fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Run {
        Run::with_input(self.command(arguments), input)
    }

    /// `register`, with the password on standard input.
    pub fn register(&self, email: &str, password: &str) -> Run {
        self.run_with_input(
            &["register", email, "--password-stdin"],
            password.as_bytes(),
        )
    }

    /// Registers another account, which a live session approves: the existing one, or a temporary
    /// one of [`EMAIL`], after which nobody is signed in if nobody was before.
    pub fn register_another(&self, email: &str, password: &str) -> Run {
        let is_signed_in = self.run(&["status", "--check"]).code == 0;
        let current = self.path().join("current");
        let before = std::fs::read(&current).ok();
        if !is_signed_in {
            self.login(&[EMAIL]).succeeds();
        }
        let run = self.register(email, password);
        if !is_signed_in {
            self.run(&["logout", "--all"]).succeeds();
            match before {
                Some(before) => std::fs::write(current, before).unwrap(),
                None => std::fs::remove_file(current).unwrap(),
            }
        }
        run
    }

    /// `login` to the only account, with its password and the additional arguments `more`.
    pub fn login(&self, more: &[&str]) -> Run {
        let arguments = [&["login", "--password-stdin"], more].concat();
        self.run_with_input(&arguments, PASSWORD.as_bytes())
    }

    /// `status --json`.
    #[track_caller]
    pub fn status(&self) -> Value {
        status_of(self.run(&["status", "--json"]))
    }

    /// Whether `status` says that there is a live session.
    pub fn is_active(&self) -> bool {
        self.status()["state"] == "active"
    }

    /// The lines of the audit log, parsed, oldest first.
    pub fn audit(&self) -> Vec<Value> {
        self.audit_lines()
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The lines of the audit log, oldest first, read directly from the files.
    pub fn audit_lines(&self) -> Vec<String> {
        let mut segments: Vec<_> = std::fs::read_dir(self.path().join("audit"))
            .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
            .unwrap_or_default();
        segments.retain(|path: &PathBuf| {
            let stem = path.file_stem().unwrap().to_str().unwrap();
            stem.starts_with('0') && path.extension().is_some_and(|is| is == "jsonl")
        });
        segments.sort();
        let text: String = segments
            .iter()
            .map(|path| std::fs::read_to_string(path).unwrap())
            .collect();
        text.lines().map(str::to_owned).collect()
    }

    /// The parsed lines without the log's records of its own segments.
    pub fn happened(&self) -> Vec<Value> {
        let mut events = self.audit();
        events.retain(|event| {
            let event_type = event["event_type"].as_str().unwrap();
            !event_type.starts_with("SEGMENT_")
        });
        events
    }

    /// The types of these events, in order.
    pub fn events(&self) -> Vec<String> {
        self.happened()
            .iter()
            .map(|event| event["event_type"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The only session file.
    pub fn session_file(&self) -> PathBuf {
        let mut files = files_in(&self.path().join("sessions"));
        assert_eq!(files.len(), 1, "{files:?}");
        files.remove(0)
    }
}

/// The output of `status --json`; checks that the exit code matches it.
#[track_caller]
pub fn status_of(run: Run) -> Value {
    let status = run.json();
    let code = if status["state"] == "active" { 0 } else { 4 };
    run.ends_with(code);
    status
}

/// Gives child processes the default signal actions, as for a person's shell, even if the tests run
/// in the background of a script or under nohup, which ignore some signals.
#[allow(unsafe_code)]
fn take_signals_as_usual() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
            // SAFETY: the default action runs none of our code.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        // The tests' own terminal must not be used for prompts.
        if let Ok(terminal) = std::fs::File::open("/dev/tty") {
            // SAFETY: the call takes no argument, and only gives up this process's terminal.
            unsafe { libc::ioctl(std::os::fd::AsRawFd::as_raw_fd(&terminal), libc::TIOCNOTTY) };
        }
    });
}

impl Drop for Home {
    fn drop(&mut self) {
        // A key left in the kernel counts against the user's quota until it expires.
        let _ = self
            .command(&["logout", "--all", "--quiet"])
            .stderr(Stdio::null())
            .status();
    }
}

/// The files of a directory, sorted; empty if there is no directory.
pub fn files_in(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default();
    files.sort();
    files
}

/// A finished run of the program.
#[derive(Debug)]
pub struct Run {
    /// The exit code; 128 + n if signal n ended it.
    pub code: i32,
    /// The standard output.
    pub stdout: String,
    /// The standard error.
    pub stderr: String,
    #[allow(dead_code)] // for Debug, when an assertion fails
    what: String,
}

impl Run {
    /// Runs `command` until it ends.
    pub fn of(mut command: Command) -> Self {
        let output = command.output().unwrap();
        Self::new(&command, &output)
    }

    /// Runs `command` with `input` on its standard input.
    pub fn with_input(mut command: Command, input: &[u8]) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The program may refuse before it reads.
        let _ = child.stdin.take().unwrap().write_all(input);
        Self::finish(&command, child)
    }

    /// Waits for a child of `command` whose output is piped.
    pub fn finish(command: &Command, child: Child) -> Self {
        Self::new(command, &child.wait_with_output().unwrap())
    }

    /// The result of `command`.
    pub fn new(command: &Command, output: &Output) -> Self {
        let status = output.status;
        Self {
            code: status
                .code()
                .unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            what: format!("{command:?}"),
        }
    }

    /// Asserts that it ended with `code`.
    #[track_caller]
    pub fn ends_with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// Asserts that it succeeded.
    #[track_caller]
    pub fn succeeds(self) -> Self {
        self.ends_with(0)
    }

    /// Asserts that it failed with `code` and printed a single line that begins with `nightlatch: `
    /// and contains `part`.
    #[track_caller]
    pub fn refuses(self, code: i32, part: &str) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        assert!(self.stderr.starts_with("nightlatch: "), "{self:#?}");
        assert_eq!(self.stderr.lines().count(), 1, "{self:#?}");
        assert!(self.stderr.contains(part), "no {part:?} in {self:#?}");
        self
    }

    /// Its standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}
