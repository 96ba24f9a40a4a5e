//! A guarded command behaves as if it had been started directly.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::support::{EMAIL, Home, Pty};

/// Runs `script` without a terminal.
fn output(home: &Home, script: &str) -> Output {
    home.shell(script).output().unwrap()
}

fn code_of(home: &Home, script: &str) -> i32 {
    output(home, script).status.code().unwrap()
}

/// Runs `script` in a shell with job control, on a terminal.
fn job(home: &Home, script: &str) -> Pty {
    Pty::spawn(home.shell(&format!("set -m; {script}")))
}

#[test]
fn exit_codes_are_passed_on() {
    let home = Home::signed_in();
    for code in [0, 1, 42, 255] {
        assert_eq!(code_of(&home, &format!("$GUARD sh -c 'exit {code}'")), code);
    }
}

#[test]
fn death_by_signal_is_reported_as_a_shell_does() {
    let home = Home::signed_in();
    for (signal, code) in [("TERM", 143), ("KILL", 137), ("SEGV", 139), ("HUP", 129)] {
        // A command follows, or the shell would become the guard and die in its place.
        let script = format!("$GUARD sh -c 'kill -{signal} $$'; exit $?");
        assert_eq!(code_of(&home, &script), code);
    }
}

#[test]
fn ctrl_c_ends_a_command_that_does_not_handle_it() {
    let home = Home::signed_in();
    // A shell with job control ends when its job dies of Ctrl-C.
    let mut pty = job(
        &home,
        "trap : INT; $GUARD sh -c 'echo ready; exec sleep 60'; echo code=$?",
    );
    pty.expect("ready");
    pty.send("\x03");
    pty.expect("code=130");
}

#[test]
fn ctrl_c_reaches_a_command_that_handles_it_once() {
    let home = Home::signed_in();
    let mut pty = job(
        &home,
        "$GUARD sh -c 'trap \"echo caught; n=x\\$n\" INT; echo ready; \
         while [ -z \"$n\" ]; do sleep 0.1; done; sleep 0.3; echo seen=$n; exit 7'; echo code=$?",
    );
    pty.expect("ready");
    pty.send("\x03");
    let before = pty.expect("seen=x\r\n");
    assert_eq!(before.matches("caught").count(), 1, "{before}");
    pty.expect("code=7");
}

#[test]
fn ctrl_c_leaves_a_command_alone_that_ignores_it() {
    let home = Home::signed_in();
    let mut pty = job(
        &home,
        "$GUARD sh -c 'trap \"\" INT; echo ready; read line; echo got=$line; exit 3'; echo code=$?",
    );
    pty.expect("ready");
    pty.send("\x03");
    pty.send("still here\n");
    pty.expect("got=still here");
    pty.expect("code=3");
}

#[test]
fn ctrl_backslash_quits_the_command() {
    let home = Home::signed_in();
    let mut pty = job(
        &home,
        "ulimit -c 0; $GUARD sh -c 'echo ready; exec sleep 60'; echo code=$?",
    );
    pty.expect("ready");
    pty.send("\x1c");
    pty.expect("code=131");
}

#[test]
fn a_signal_sent_to_the_guard_alone_is_handed_on_once() {
    let home = Home::signed_in();
    for signal in ["TERM", "HUP", "USR1", "USR2", "ALRM", "WINCH", "TSTP"] {
        // The shell becomes the guard, so that its process id is known. The signal comes from a
        // separate process, not from the command itself.
        let result = output(
            &home,
            &format!(
                "exec $GUARD sh -c 'trap \"echo caught\" {signal}; sh -c \"kill -{signal} $1; :\"; \
             sleep 0.2; sleep 0.2; exit 9' - $$"
            ),
        );
        assert_eq!(result.status.code(), Some(9), "{signal}");
        assert_eq!(result.stdout, b"caught\n", "{signal}");
    }
}

#[test]
fn a_signal_the_command_sends_to_the_guard_does_not_come_back() {
    let home = Home::signed_in();
    let result = output(
        &home,
        "exec $GUARD sh -c 'kill -TERM $PPID; sleep 0.2; echo alive'",
    );
    assert_eq!(result.stdout, b"alive\n");
}

#[test]
fn a_signal_from_another_process_ends_the_command() {
    let home = Home::signed_in();
    for (signal, code) in [("TERM", 143), ("HUP", 129)] {
        let script = format!(
            "set -m; $GUARD sh -c 'echo ready; exec sleep 60' & guard=$!; read go; \
             kill -{signal} $guard; wait $guard; echo code=$?"
        );
        let mut pty = Pty::spawn(home.shell(&script));
        pty.expect("ready");
        pty.send("\n");
        pty.expect(&format!("code={code}"));
    }
}

#[test]
fn an_interrupt_sent_to_the_guard_alone_is_handed_on() {
    let home = Home::signed_in();
    let mut pty = Pty::spawn(home.shell(
        "set -m; $GUARD sh -c 'echo ready; exec sleep 60' & guard=$!; read go; \
         kill -INT $guard; wait $guard; echo code=$?",
    ));
    pty.expect("ready");
    pty.send("\n");
    pty.expect("code=130");
}

#[test]
fn ctrl_z_stops_both_and_fg_resumes_both() {
    let home = Home::signed_in();
    let mut pty = job(
        &home,
        "$GUARD sh -c 'echo ready; read line; echo got=$line; exit 5'; echo stopped=$?; \
         read go; fg; echo code=$?",
    );
    pty.expect("ready");
    let job = pty.foreground();
    pty.send("\x1a");
    pty.expect("stopped=147");
    assert_ne!(pty.foreground(), job, "the shell has the terminal back");
    pty.send("\n");
    pty.expect("GUARD");
    pty.send("hello\n");
    pty.expect("got=hello");
    pty.expect("code=5");
}

#[test]
fn the_shell_sees_the_stop_only_after_the_command_has_tidied_up() {
    let home = Home::signed_in();
    // The sleep ignores Ctrl-Z before the command is ready, so only the command itself handles it.
    let mut pty = job(
        &home,
        "$GUARD sh -c 'trap \"\" TSTP; sleep 60 & \
         trap \"sleep 0.3; echo tidied; kill -STOP \\$\\$\" TSTP; echo ready; \
         while :; do wait; done'; echo stopped=$?; kill -KILL %1",
    );
    pty.expect("ready");
    pty.send("\x1a");
    let before = pty.expect("stopped=147");
    assert!(before.contains("tidied"), "{before}");
}

#[test]
fn a_command_that_stops_itself_stops_the_job() {
    let home = Home::signed_in();
    let mut pty = job(
        &home,
        "$GUARD sh -c 'kill -STOP $$; echo resumed; exit 4'; echo stopped=$?; fg; echo code=$?",
    );
    pty.expect("stopped=147");
    pty.expect("resumed");
    pty.expect("code=4");
}

#[test]
fn a_command_can_stop_and_resume_again_and_again() {
    let home = Home::signed_in();
    let mut pty = job(
        &home,
        "$GUARD sh -c 'for n in 1 2 3; do kill -STOP $$; echo resumed=$n; done; exit 6'; \
         fg; fg; fg; echo code=$?",
    );
    for n in 1..=3 {
        pty.expect(&format!("resumed={n}"));
    }
    pty.expect("code=6");
}

#[test]
fn a_stopped_command_is_resumed_when_only_the_guard_is() {
    let home = Home::signed_in();
    let mut pty = job(
        &home,
        "$GUARD sh -c 'kill -STOP $$; echo resumed' & guard=$!; \
         until grep -q '^State:.T' /proc/$guard/status; do sleep 0.05; done; \
         kill -CONT $guard; read end",
    );
    pty.expect("resumed");
}

#[test]
fn a_background_command_that_reads_the_terminal_stops_until_fg() {
    let home = Home::signed_in();
    let mut pty = job(
        &home,
        "$GUARD sh -c 'read line; echo got=$line; exit 8' & \
         until grep -q '^State:.T' /proc/$!/status; do sleep 0.05; done; echo stopped; fg; echo code=$?",
    );
    pty.expect("stopped\r\n");
    pty.expect("GUARD");
    pty.send("hello\n");
    pty.expect("got=hello");
    pty.expect("code=8");
}

#[test]
fn a_command_without_a_shell_above_it_is_told_of_a_hangup() {
    let home = Home::signed_in();
    let dir = tempfile::tempdir().unwrap();
    let witness = dir.path().join("hung-up");
    let mut pty = Pty::spawn(home.shell(&format!(
        "exec $GUARD sh -c 'trap \"echo yes >{}; exit\" HUP; echo ready; \
         while :; do sleep 0.05; done'",
        witness.display()
    )));
    pty.expect("ready");
    pty.hang_up();
    assert_eq!(std::fs::read_to_string(witness).unwrap(), "yes\n");
}

#[test]
fn a_new_window_size_reaches_the_command() {
    let home = Home::signed_in();
    let mut pty = job(
        &home,
        "$GUARD sh -c 'trap \"stty size; exit 2\" WINCH; stty size; while :; do sleep 0.05; done'; \
         echo code=$?",
    );
    pty.expect("24 80");
    pty.resize(132, 50);
    pty.expect("50 132");
    pty.expect("code=2");
}

#[test]
fn a_signal_ignored_at_the_start_stays_ignored() {
    let home = Home::signed_in();
    let result = output(
        &home,
        "trap '' HUP INT; exec $GUARD sh -c 'kill -HUP $1; kill -INT $1; kill -HUP $$; kill -INT $$; \
         grep SigIgn /proc/self/status; echo alive' - $$",
    );
    let text = String::from_utf8(result.stdout).unwrap();
    assert!(text.ends_with("alive\n"), "{text}");
    // SIGHUP is bit 0, SIGINT bit 1; SIGPIPE (bit 12), which Rust ignores, must not be set.
    let mask = text
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .unwrap();
    let mask = u64::from_str_radix(mask.trim(), 16).unwrap();
    assert_eq!(mask & 0x1fff, 3, "{text}");
}

#[test]
fn binary_data_passes_through_unchanged() {
    let home = Home::signed_in();
    let mut data: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    data.extend_from_slice(b"\x00\xff\r\n");
    let mut child = home
        .shell("exec $GUARD cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let copy = data.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&copy).unwrap());
    let result = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(result.stdout == data);
}

#[test]
fn nothing_of_ours_is_inherited_but_what_we_were_given_is() {
    let agent = Home::registered().with_keeper("agent");
    for home in [Home::registered(), agent] {
        home.login(&[]).succeeds();
        let fds = |start: &str| {
            let script = format!("exec {start} sh -c 'ls /proc/$$/fd' 7</dev/null");
            let text = String::from_utf8(output(&home, &script).stdout).unwrap();
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let guarded = fds("$GUARD");
        assert!(guarded.contains(&"7".to_owned()), "{guarded:?}");
        assert_eq!(guarded, fds("env"));
    }
}

#[test]
fn the_command_stays_in_our_process_group() {
    let home = Home::signed_in();
    let mut pty = job(
        &home,
        "$GUARD sh -c 'ps -o pgid= -p $$ -p $PPID | sort -u | wc -l; exit'; echo end",
    );
    let text = pty.expect("end");
    assert!(text.contains('1'), "{text}");
}

#[test]
fn the_core_limit_is_what_it_was_before_us() {
    let home = Home::signed_in();
    let result = output(&home, "ulimit -S -c 0; exec $GUARD sh -c 'ulimit -S -c'");
    assert_eq!(result.stdout, b"0\n");
    let hard = output(
        &home,
        "ulimit -H -c; ulimit -S -c $(ulimit -H -c); exec $GUARD sh -c 'ulimit -S -c'",
    );
    let text = String::from_utf8(hard.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!(lines[0], lines[1]);
}

#[test]
fn a_missing_command_is_127() {
    let home = Home::signed_in();
    let result = output(&home, "$GUARD no-such-command-anywhere");
    assert_eq!(result.status.code(), Some(127));
    let text = String::from_utf8(result.stderr).unwrap();
    assert!(
        text.starts_with("nightlatch: command not found: no-such-command-anywhere;"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1, "{text}");
    assert_eq!(code_of(&home, "$GUARD /no/such/command"), 127);
    assert_eq!(code_of(&home, "$GUARD /etc/passwd/command"), 127);
}

#[test]
fn what_is_there_but_cannot_run_is_126() {
    let home = Home::signed_in();
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str, mode: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        let status = Command::new("chmod").arg(mode).arg(&path).status().unwrap();
        assert!(status.success());
        path.display().to_string()
    };
    let plain = file("plain", "echo hello\n", "644");
    let orphan = file("orphan", "#!/no/such/interpreter\n", "755");
    for (program, words) in [
        (plain.as_str(), "permission denied"),
        ("/", "it is a directory"),
        (
            orphan.as_str(),
            "the interpreter it asks for does not exist",
        ),
    ] {
        let result = output(&home, &format!("$GUARD {program}"));
        assert_eq!(result.status.code(), Some(126), "{program}");
        let text = String::from_utf8(result.stderr).unwrap();
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn a_script_without_a_shebang_runs_as_in_a_shell() {
    let home = Home::signed_in();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("script");
    std::fs::write(&path, "echo \"$1+$2\"\nexit 5\n").unwrap();
    Command::new("chmod")
        .arg("755")
        .arg(&path)
        .status()
        .unwrap();
    for script in [
        format!("$GUARD {} 'a b' c", path.display()),
        format!("PATH={}:$PATH; $GUARD script 'a b' c", dir.path().display()),
    ] {
        let result = output(&home, &script);
        assert!(result.stdout.ends_with(b"a b+c\n"), "{script}: {result:?}");
        assert_eq!(result.status.code(), Some(5));
    }
}

/// The variables of a process, as `env -0` prints them.
fn variables(output: &Output) -> BTreeMap<String, String> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.split_terminator('\0')
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_environment_is_ours_and_four_variables_that_name_the_session_and_no_key() {
    let home = Home::signed_in();
    let guarded = output(&home, "FUNNY=' a\nb' exec $GUARD env -0");
    let mut guarded = variables(&guarded);
    let status = home.status();
    let mut take = |name: &str| guarded.remove(name).unwrap();
    assert_eq!(take("NIGHTLATCH_SESSION_ID"), status["session_id"]);
    assert_eq!(take("NIGHTLATCH_ACCOUNT"), EMAIL);
    assert_eq!(take("NIGHTLATCH_SESSION_EXPIRES_AT"), status["expires_at"]);
    let exec = take("NIGHTLATCH_EXEC_ID");
    assert_eq!(
        guarded,
        variables(&output(&home, "FUNNY=' a\nb' exec env -0"))
    );

    let ours: Vec<_> = home
        .audit()
        .into_iter()
        .filter(|event| event["details"]["exec_id"] == exec.as_str())
        .map(|event| event["event_type"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ours, ["COMMAND_STARTED", "COMMAND_FINISHED"]);
}

#[test]
fn the_command_starts_in_our_working_directory() {
    let home = Home::signed_in();
    let directory = home.outside("here");
    std::fs::create_dir(&directory).unwrap();
    let mut command = home.shell("exec $GUARD /bin/pwd -P");
    let result = command.current_dir(&directory).output().unwrap();
    let expected = format!("{}\n", directory.canonicalize().unwrap().display());
    assert_eq!(String::from_utf8(result.stdout).unwrap(), expected);
}

#[test]
fn standard_error_passes_through_apart_from_standard_output() {
    let home = Home::signed_in();
    let result = output(&home, "exec $GUARD sh -c 'echo out; echo err >&2'");
    assert_eq!(result.stdout, b"out\n");
    assert_eq!(result.stderr, b"err\n", "and nothing of ours");
}

#[test]
fn a_pipeline_whose_reader_had_enough_ends_the_command_cleanly() {
    let home = Home::signed_in();
    let result = output(&home, "{ $GUARD yes; echo code=$? >&2; } | head -n 1");
    assert_eq!(result.stdout, b"y\n");
    assert_eq!(result.stderr, b"code=141\n");
    let last = home.audit().pop().unwrap();
    assert_eq!(last["event_type"], "COMMAND_FINISHED");
    assert!(home.is_active());
}

#[test]
fn guarded_commands_make_a_pipeline_on_a_terminal() {
    let home = Home::signed_in();
    let mut pty = job(
        &home,
        "printf 'b\\na\\nc\\n' | $GUARD sort | $GUARD head -n 2 | $GUARD tr a-z A-Z; echo code=$?",
    );
    let text = pty.expect("code=0");
    assert!(text.contains("A\r\nB\r\n"), "{text}");
}
