//! `status --watch`, `--prompt` and `--notice`: the session's remaining time, without extending it.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{ChildStdout, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::support::checks::takes_at_most;
use crate::support::{EMAIL, Home, Pty, Run, tree};

fn of_idle(idle: &str) -> Home {
    let home = Home::registered();
    home.login(&["--idle", idle]).succeeds();
    home
}

/// The prompt's text.
fn shown(home: &Home) -> String {
    let run = home.run(&["status", "--prompt"]).succeeds();
    assert_eq!(run.stderr, "");
    run.stdout
}

#[test]
fn the_prompts_text_has_seconds_below_a_minute_and_stays_true() {
    for (idle, colons) in [("15m", 1), ("2m", 1), ("59s", 2)] {
        let home = of_idle(idle);
        let text = shown(&home);
        assert!(text.starts_with("until "), "{idle}: {text}");
        assert_eq!(text.matches(':').count(), colons, "{idle}: {text}");
        std::thread::sleep(Duration::from_millis(1100));
        assert_eq!(shown(&home), text, "a second later it is as true");
    }
    for home in [Home::bare(), Home::registered()] {
        for json in [&[][..], &["--json"]] {
            let run = home.run(&[&["status", "--prompt"], json].concat());
            assert_eq!(run.ends_with(4).stdout, "");
        }
    }
}

/// Removes the time of day, which differs each time.
fn without_time(said: &str) -> String {
    let digits = said
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c });
    digits.collect::<String>().replace("00:00", "TIME")
}

#[test]
fn whoever_comes_back_is_told_when_it_was_locked_and_why() {
    let notice = |home: &Home| home.run(&["status", "--notice"]).ends_with(4).stdout;
    let why = |reason: &str| {
        format!("nightlatch: locked at TIME{reason}; a guarded command asks to sign in\n")
    };
    let home = of_idle("1s");
    std::thread::sleep(Duration::from_millis(1100));
    // The key may still exist or be gone already.
    let idle = why(" after 0s without activity");
    assert_eq!(without_time(&notice(&home)), idle);
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(without_time(&notice(&home)), idle);
    let said = home.run(&["status"]).stdout;
    assert!(
        said.contains("after 1s without activity; sign in with"),
        "{said}"
    );
    home.run(&["-n", "exec", "--", "true"])
        .refuses(4, "after 1s without activity");
    // It has been recorded and cleaned up by now.
    assert_eq!(without_time(&notice(&home)), idle);
    home.login(&["--max", "1s"]).succeeds();
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(
        without_time(&notice(&home)),
        why(", its absolute limit of 0s")
    );
    home.login(&[]).succeeds();
    home.run(&["lock"]).succeeds();
    assert_eq!(without_time(&notice(&home)), why(": signed out"));
    home.login(&[]).succeeds();
    std::fs::remove_file(home.session_file()).unwrap();
    let said = notice(&home);
    assert!(
        said.starts_with("nightlatch: locked: its file is gone;"),
        "{said}"
    );
}

#[test]
fn a_command_that_outlived_its_session_is_followed_by_a_word_about_it() {
    // Time enough to start it on a slow machine.
    let home = of_idle("3s");
    let mut pty = Pty::spawn(home.command(&["exec", "--", "sh", "-c", "sleep 4; echo done."]));
    pty.expect("done.\r\n");
    let (said, status) = pty.finish();
    assert!(status.success());
    assert_eq!(
        without_time(&said),
        "nightlatch: locked at TIME after 0s without activity, while sh ran\r\n"
    );
    // Nothing is printed about a session that is live.
    home.login(&[]).succeeds();
    let pty = Pty::spawn(home.command(&["exec", "--", "sleep", "1.2"]));
    assert_eq!(pty.finish().0, "");
}

#[test]
fn the_notice_tells_what_helps_against_the_limit_that_is_near() {
    let notice = |home: &Home| home.run(&["status", "--notice"]).succeeds().stdout;
    let home = of_idle("50s");
    let said = notice(&home);
    assert!(
        said.starts_with("nightlatch: the session locks in "),
        "{said}"
    );
    assert!(
        said.ends_with("s; any guarded command extends it\n"),
        "{said}"
    );
    home.login(&["--max", "50s"]).succeeds();
    let said = notice(&home);
    assert!(
        said.ends_with("s at its absolute limit; start a new one with: nightlatch login\n"),
        "{said}"
    );
    home.run(&["logout"]).succeeds();
    let said = home.run(&["status", "--notice"]).ends_with(4).stdout;
    assert!(
        said.ends_with(": signed out; a guarded command asks to sign in\n"),
        "{said}"
    );
}

#[test]
fn watching_changes_nothing_and_counts_down_to_the_end() {
    let home = of_idle("3s");
    let before = tree(&home.path());
    let run = takes_at_most(Duration::from_secs(5), || {
        home.run(&["status", "--watch"])
            .refuses(4, "after 3s without activity; sign in with")
    });
    assert_eq!(tree(&home.path()), before, "watching changed something");
    // On a busy machine it may begin later or skip a number.
    let lines: Vec<u64> = run
        .stdout
        .lines()
        .map(|line| line.strip_suffix('s').unwrap().parse().unwrap())
        .collect();
    assert!(!lines.is_empty() && lines.len() <= 3, "{lines:?}");
    assert!(
        lines.iter().rev().is_sorted() && lines.iter().all(|left| *left <= 3),
        "{lines:?}"
    );
    home.run(&["status", "--watch"])
        .refuses(4, "no live session");
}

#[test]
fn watching_as_json_gives_a_status_a_second_and_the_end_as_the_last() {
    let home = of_idle("4s");
    let run = home.run(&["status", "--watch", "--json"]).ends_with(4);
    let states: Vec<serde_json::Value> = run
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let (last, before) = states.split_last().unwrap();
    assert!(!before.is_empty());
    assert!(before.iter().all(|status| status["state"] == "active"));
    assert_ne!(last["state"], "active");
    let error: serde_json::Value = serde_json::from_str(&run.stderr).unwrap();
    assert_eq!(error["error"], "no_session");
}

#[test]
fn whoever_closes_the_pipe_ends_the_watching() {
    let home = Home::signed_in();
    for more in ["", "--json"] {
        let script = format!("$NIGHTLATCH status --watch {more} | head -n 1 >/dev/null");
        let limit = Duration::from_secs(20);
        takes_at_most(limit, || Run::of(home.shell(&script)).succeeds());
    }
}

/// The lines that a program prints.
struct Lines {
    output: ChildStdout,
    rest: Vec<u8>,
}

impl Lines {
    /// Reads what was printed so far.
    fn catch_up(&mut self) {
        let mut fds = [PollFd::new(&self.output, PollFlags::IN)];
        while poll(&mut fds, Some(&Timespec::default())).unwrap() > 0 {
            let mut bytes = [0; 4096];
            let count = rustix::io::read(&self.output, &mut bytes).unwrap();
            if count == 0 {
                return;
            }
            self.rest.extend_from_slice(&bytes[..count]);
        }
    }

    /// The next line that was read, parsed.
    fn read_already(&mut self) -> Option<serde_json::Value> {
        let end = self.rest.iter().position(|&byte| byte == b'\n')?;
        let line: Vec<u8> = self.rest.drain(..=end).collect();
        Some(serde_json::from_slice(&line).unwrap())
    }

    /// The next line, parsed.
    fn next(&mut self) -> serde_json::Value {
        loop {
            if let Some(line) = self.read_already() {
                return line;
            }
            let mut bytes = [0; 4096];
            let count = self.output.read(&mut bytes).unwrap();
            assert!(count > 0, "it ended");
            self.rest.extend_from_slice(&bytes[..count]);
        }
    }

    /// Whether `is_so` holds for what was printed by now or is printed next. A check that began
    /// earlier may be printed before that.
    fn show_next(&mut self, is_so: impl Fn(&serde_json::Value) -> bool) -> bool {
        self.catch_up();
        while let Some(line) = self.read_already() {
            if is_so(&line) {
                return true;
            }
        }
        is_so(&self.next()) || is_so(&self.next())
    }
}

/// How soon the next check is: a test beside `src/cli/watch.rs`.
#[test]
fn an_extension_and_an_end_from_elsewhere_show_at_the_next_check() {
    let home = Home::signed_in();
    let mut command = home.command(&["status", "--watch", "--json"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = Lines {
        output: child.stdout.take().unwrap(),
        rest: Vec::new(),
    };
    let first = lines.next();
    assert_eq!(first["state"], "active");
    home.run(&["extend"]).succeeds();
    let activity = |status: &serde_json::Value| status["last_activity_at"].clone();
    assert!(lines.show_next(|status| activity(status) != activity(&first)));
    home.run(&["logout"]).succeeds();
    assert!(lines.show_next(|status| status["state"] != "active"));
    let run = Run::finish(&command, child).ends_with(4);
    assert!(run.stderr.contains(": signed out"), "{run:#?}");
}

#[test]
fn on_a_terminal_one_line_is_drawn_over_itself_and_ends_with_a_sentence() {
    let home = of_idle("4s");
    let pty = Pty::spawn(home.command(&["status", "--watch"]));
    let (said, status) = pty.finish();
    assert_eq!(status.code(), Some(4), "{said}");
    assert!(said.contains(EMAIL), "{said}");
    let (drawn, end) = said.split_once("nightlatch: ").unwrap();
    assert!(!drawn.contains('\n'), "{drawn:?}");
    assert!(drawn.ends_with(" \r"), "the line is cleared: {drawn:?}");
    assert!(
        end.ends_with(" after 4s without activity; sign in with: nightlatch login\r\n"),
        "{end}"
    );
}

#[test]
fn a_narrow_terminal_shows_what_fits_and_no_color_sends_no_escape() {
    let home = Home::signed_in();
    let mut command = home.command(&["status", "--watch"]);
    command.env("NO_COLOR", "1");
    let mut pty = Pty::spawn(command);
    pty.expect(EMAIL);
    pty.resize(8, 24);
    let shrunk = pty.expect("\r14m ");
    assert!(!shrunk.contains('\u{1b}'), "{shrunk:?}");
    pty.resize(3, 24);
    pty.expect("\r14\r14\r");
}

#[test]
fn an_interrupted_watch_dies_of_the_signal_and_leaves_nothing_switched_on() {
    let home = Home::signed_in();
    let mut pty = Pty::spawn(home.command(&["status", "--watch"]));
    let drawn = pty.expect("locks in");
    // Colours are allowed, but no private mode such as a hidden cursor.
    assert!(!drawn.contains("\u{1b}[?"), "{drawn:?}");
    assert!(pty.echoes());
    pty.send("\x03");
    let (_, status) = pty.finish();
    assert_eq!(status.signal(), Some(2), "{status:?}");
}
