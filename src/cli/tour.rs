//! `tour`: demonstrates everything in a scratch home, by running the real program.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anstream::adapter::strip_str;
use nightlatch_core::clock::Clock;
use nightlatch_platform::clock::SystemClock;
use unicode_width::UnicodeWidthStr;

use super::context::Context;
use super::end::End;
use super::exit::{Code, Failure};
use super::terminal;
use super::ui::{FAINT, GOOD, STRONG, Ui};

const EMAIL: &str = "me@example.com";
const PASSWORD: &str = "a harbour wall, eleven gulls";
const IDLE: Duration = Duration::from_secs(2);
/// The output fits any terminal.
const COLUMNS: usize = 80;

/// One step: its text, the command, and the expected result.
struct Step {
    about: &'static str,
    arguments: &'static [&'static str],
    /// Whether the password is passed on standard input.
    password: bool,
    code: Code,
    /// The strings that the output must contain.
    shows: &'static [&'static str],
}

const STEPS: &[Step] = &[
    Step {
        about: "Create an account. Its password is checked, never stored; a code recovers it.",
        arguments: &["register", EMAIL, "--password-stdin"],
        password: true,
        code: Code::Done,
        shows: &["created", "recovery code"],
    },
    Step {
        about: "Sign in once.",
        arguments: &["login", "--password-stdin"],
        password: true,
        code: Code::Done,
        shows: &["signed in"],
    },
    Step {
        about: "Every terminal of yours now has this session. Looking does not extend it.",
        arguments: &["status"],
        password: false,
        code: Code::Done,
        shows: &[EMAIL, "locks in"],
    },
    Step {
        about: "Run a command: it starts only with a live session, and is recorded.",
        arguments: &[
            "exec",
            "--",
            "sh",
            "-c",
            "echo \"deployed by $NIGHTLATCH_ACCOUNT\"",
        ],
        password: false,
        code: Code::Done,
        shows: &["deployed by me@example.com"],
    },
    Step {
        about: "Keep a secret. Only a live session opens it; it is sealed on the disk.",
        arguments: &["secret", "set", "prod/db", "--generate"],
        password: false,
        code: Code::Done,
        shows: &["prod/db", "is set"],
    },
    Step {
        about: "Give it to a command. In what the command prints, it is masked.",
        arguments: &[
            "exec",
            "--secret",
            "prod/db=PW",
            "--",
            "sh",
            "-c",
            "echo \"${#PW} characters: $PW\"",
        ],
        password: false,
        code: Code::Done,
        shows: &["32 characters: "],
    },
    Step {
        about: "See every session, and the commands that run under it.",
        arguments: &["sessions"],
        password: false,
        code: Code::Done,
        shows: &[EMAIL],
    },
    Step {
        about: "Revoke it, for a reason. Commands under it would end within six seconds.",
        arguments: &["revoke", "--reason", "lost laptop"],
        password: false,
        code: Code::Done,
        shows: &["revoked the session of me@example.com"],
    },
    Step {
        about: "Every terminal is told the reason, and nothing brings the session back.",
        arguments: &["--non-interactive", "exec", "--", "echo", "deployed"],
        password: false,
        code: Code::NoSession,
        shows: &["lost laptop"],
    },
    Step {
        about: "Begin a session that locks after two idle seconds instead of 15 minutes.",
        arguments: &["login", "--idle", "2s", "--password-stdin"],
        password: true,
        code: Code::Done,
        shows: &["signed in"],
    },
];

const AFTER_IDLE: &[Step] = &[
    Step {
        about: "After two idle seconds a command is refused, with exit code 4.",
        arguments: &["--non-interactive", "exec", "--", "echo", "deployed"],
        password: false,
        code: Code::NoSession,
        shows: &["no live session"],
    },
    Step {
        about: "All of this is in the audit log.",
        arguments: &["audit", "list"],
        password: false,
        code: Code::Done,
        shows: &[
            "ACCOUNT_REGISTERED",
            "LOGIN_SUCCESS",
            "SESSION_CREATED",
            "COMMAND ",
            "exit 0",
            "SECRET_SET",
            "SECRET_USED",
            "SESSION_REVOKED",
            "SESSION_EXPIRED",
            "COMMAND_REFUSED",
        ],
    },
    Step {
        about: "Check the log for tampering. Each line is chained to the one before.",
        arguments: &["audit", "verify"],
        password: false,
        code: Code::Done,
        shows: &["Verified: no tampering found", "fingerprint"],
    },
];

pub fn run(context: &Context) -> Result<End, Failure> {
    let program = (context.program)()
        .ok_or_else(|| Failure::failed("tour", "cannot tell where this program lies"))?;
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)] // inaccessible to others whatever the umask
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    let scratch = builder
        .prefix("nightlatch-tour-")
        .tempdir()
        .map_err(|error| Failure::failed("tour", format!("no scratch directory: {error}")))?;
    let tour = Tour {
        ui: context.ui,
        program,
        home: scratch.path().join("home"),
        // Ctrl-C and similar signals end the tour after the current step, so that it can clean up.
        interrupted: terminal::interruption()
            .map_err(|error| Failure::failed("tour", error.to_string()))?,
    };
    let result = tour.walk();
    // In every case: leave no kernel key, no agent and no file behind.
    tour.clean_up();
    scratch.close().map_err(|error| {
        Failure::failed("tour", format!("cannot remove the scratch home: {error}"))
    })?;
    result?;
    context.ui.data(&format!(
        "{GOOD}●{GOOD:#} Done; the scratch home is gone. To begin: {STRONG}nightlatch register EMAIL{STRONG:#}\n"
    ))?;
    Ok(End::Done)
}

struct Tour {
    ui: Ui,
    program: PathBuf,
    home: PathBuf,
    interrupted: Arc<AtomicBool>,
}

impl Tour {
    fn walk(&self) -> Result<(), Failure> {
        STEPS.iter().try_for_each(|step| self.show(step))?;
        SystemClock.sleep(IDLE + Duration::from_millis(100));
        AFTER_IDLE.iter().try_for_each(|step| self.show(step))
    }

    fn show(&self, step: &Step) -> Result<(), Failure> {
        let shown: Vec<_> = step
            .arguments
            .iter()
            .map(|argument| quoted(argument))
            .collect();
        let line = format!(
            "{FAINT}# {}{FAINT:#}\n{STRONG}$ nightlatch {}{STRONG:#}\n",
            step.about,
            shown.join(" ")
        );
        self.ui.data(&line)?;
        let output = self.output(step.arguments, step.password)?;
        let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        let text = String::from_utf8_lossy(&text);
        let lines: String = text.trim_end().lines().map(wrapped).collect();
        self.ui.data(&format!("{lines}\n"))?;
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(Failure::failed("interrupted", "the tour was interrupted"));
        }
        let wrong = |what: String| {
            Failure::failed("tour", format!("`nightlatch {}` {what}", shown.join(" ")))
        };
        if output.status.code() != Some(step.code as i32) {
            return Err(wrong(format!(
                "ended with {}, not {}",
                output.status, step.code as i32
            )));
        }
        match step.shows.iter().find(|expected| !text.contains(*expected)) {
            Some(missing) => Err(wrong(format!("did not show \"{missing}\""))),
            None => Ok(()),
        }
    }

    fn output(&self, arguments: &[&str], password: bool) -> Result<Output, Failure> {
        let failed = |error: std::io::Error| Failure::failed("tour", error.to_string());
        let mut child = self
            .command(arguments)
            .stdin(if password {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            // If the program does not read its password, it fails visibly anyway.
            let _ = stdin.write_all(PASSWORD.as_bytes());
        }
        child.wait_with_output().map_err(failed)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        // The output is not a terminal, so the width must be passed.
        let columns = arguments
            .starts_with(&["audit", "list"])
            .then(|| COLUMNS.to_string());
        let mut command = Command::new(&self.program);
        command
            .args([OsString::from("--home"), self.home.clone().into()])
            .args(arguments)
            .args(columns.iter().flat_map(|columns| ["--columns", columns]))
            .env_remove("NIGHTLATCH_ACCOUNT")
            .env_remove("NIGHTLATCH_HOME");
        command
    }

    fn clean_up(&self) {
        if Path::new(&self.home).exists() {
            let _ = self.output(&["logout", "--all", "--quiet"], false);
        }
    }
}

/// A line of output with its end, wrapped between words if it is too long.
fn wrapped(line: &str) -> String {
    let width = |text: &str| strip_str(text).to_string().width();
    let mut wrapped = String::new();
    let mut room = COLUMNS;
    for part in line.split_inclusive(' ') {
        if width(part.trim_end()) > room && room < COLUMNS {
            wrapped.truncate(wrapped.trim_end().len());
            wrapped.push_str("\n  ");
            room = COLUMNS - 2;
        }
        wrapped.push_str(part);
        room = room.saturating_sub(width(part));
    }
    wrapped.push('\n');
    wrapped
}

/// The argument as one would type it.
fn quoted(argument: &str) -> String {
    if argument.contains([' ', '"', '$']) {
        format!("'{argument}'")
    } else {
        argument.to_owned()
    }
}
