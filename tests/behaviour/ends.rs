//! A guard ends as its command ends, however it was started.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Home, Pty, Run};

/// Longer than anything takes on a busy machine; only a failing test reaches it.
const PATIENCE: Duration = Duration::from_secs(20);

/// The exit status of a guard whose command sends itself `signal`.
fn ended_by(home: &Home, signal: i32) -> ExitStatus {
    let script = format!("ulimit -c 0; kill -{signal} $$; sleep 5");
    let mut command = home.command(&["exec", "--", "sh", "-c", &script]);
    command.current_dir(home.outside(""));
    command.stderr(Stdio::null()).status().unwrap()
}

/// Starts `command` with these signals blocked, as with an inherited mask.
#[allow(unsafe_code)]
fn with_blocked(command: &mut Command, signals: &'static [i32]) {
    // SAFETY: only calls that neither allocate nor lock run between fork and exec.
    unsafe {
        command.pre_exec(move || {
            let mut set = std::mem::MaybeUninit::<libc::sigset_t>::zeroed();
            libc::sigemptyset(set.as_mut_ptr());
            for &signal in signals {
                libc::sigaddset(set.as_mut_ptr(), signal);
            }
            libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut());
            Ok(())
        });
    }
}

/// Runs `command` until it ends, within a time limit.
fn finish_soon(mut command: Command) -> Run {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("{command:?} did not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Run::finish(&command, child)
}

#[test]
fn the_guard_dies_of_the_signal_its_command_died_of_and_leaves_no_core() {
    let home = Home::signed_in();
    let real_time = 40;
    for signal in [
        libc::SIGHUP,
        libc::SIGINT,
        libc::SIGQUIT,
        libc::SIGABRT,
        libc::SIGSEGV,
        libc::SIGPIPE,
        libc::SIGTERM,
        libc::SIGUSR1,
        real_time,
    ] {
        let status = ended_by(&home, signal);
        assert_eq!(status.signal(), Some(signal), "{status:?}");
        assert!(!status.core_dumped(), "{signal}");
    }
    let events = home.events();
    let ends = events.iter().filter(|event| *event == "COMMAND_FINISHED");
    assert_eq!(ends.count(), 9);
    assert!(home.is_active());
}

#[test]
fn a_command_that_was_killed_is_reported_by_its_code_alone() {
    let home = Home::signed_in();
    let status = ended_by(&home, libc::SIGKILL);
    assert_eq!(status.code(), Some(137), "{status:?}");
    assert!(home.is_active());
}

#[test]
fn a_signal_that_the_guard_was_started_to_ignore_ends_it_all_the_same() {
    let home = Home::signed_in();
    let reset = "import os, signal; signal.signal(signal.SIGTERM, signal.SIG_DFL); os.kill(os.getpid(), 15)";
    let found = Command::new("python3").arg("--version").output();
    if !found.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: python3 is not installed");
        return;
    }
    let mut command = home.shell("trap '' TERM; exec $GUARD python3 -c \"$RESET\"");
    let status = command.env("RESET", reset).status().unwrap();
    assert_eq!(status.signal(), Some(libc::SIGTERM), "{status:?}");
}

#[test]
fn ctrl_c_stops_the_loop_of_a_shell() {
    let home = Home::signed_in();
    let mut shell = Command::new("bash");
    let script =
        "for round in 1 2 3; do $GUARD sh -c 'echo ready; exec sleep 60'; done; echo went on";
    shell.args(["-c", script]).env_clear();
    for (name, value) in home.command(&[]).get_envs() {
        shell.env(name, value.unwrap());
    }
    let mut pty = Pty::spawn(shell);
    pty.expect("ready");
    pty.send("\x03");
    let (said, status) = pty.finish();
    assert_eq!(status.signal(), Some(libc::SIGINT), "{said}");
    assert!(
        !said.contains("ready") && !said.contains("went on"),
        "{said}"
    );
}

#[test]
fn a_caller_that_blocks_signals_gets_the_end_and_the_command_its_mask() {
    let home = Home::signed_in();
    let script = "grep SigBlk /proc/self/status; sleep 0.1; exit 5";
    let blocked = &[libc::SIGCHLD, libc::SIGCONT, libc::SIGTERM, libc::SIGUSR1];
    let mut guarded = home.command(&["exec", "--", "sh", "-c", script]);
    with_blocked(&mut guarded, blocked);
    let guarded = finish_soon(guarded).ends_with(5);
    let mut direct = Command::new("sh");
    direct.args(["-c", script]);
    with_blocked(&mut direct, blocked);
    assert_eq!(guarded.stdout, finish_soon(direct).ends_with(5).stdout);
    assert!(guarded.stdout.contains("SigBlk"), "{guarded:?}");
}

#[test]
fn a_stopped_command_is_resumed_where_the_caller_blocks_the_signal_that_resumes() {
    let home = Home::signed_in();
    let mut shell = home.shell(
        "set -m; $GUARD sh -c 'echo ready; read line; echo got=$line; exit 3'; fg; echo code=$?",
    );
    with_blocked(&mut shell, &[libc::SIGCONT]);
    let mut pty = Pty::spawn(shell);
    pty.expect("ready");
    pty.send("\x1a");
    pty.expect("GUARD");
    pty.send("hello\n");
    pty.expect("got=hello");
    pty.expect("code=3");
}

#[test]
fn a_home_that_was_chosen_is_the_commands_too_from_wherever_it_looks() {
    let home = Home::signed_in();
    let show = ["exec", "--", "sh", "-c", "echo $NIGHTLATCH_HOME"];
    let absolute = format!("{}\n", home.path().display());
    for chosen in [home.path().to_str().unwrap(), "home"] {
        let mut by_option = home.command(&[&["--home", chosen][..], &show].concat());
        by_option.current_dir(home.outside(""));
        by_option.env_remove("NIGHTLATCH_HOME");
        assert_eq!(Run::of(by_option).succeeds().stdout, absolute);
    }
    let mut by_variable = home.command(&show);
    by_variable
        .current_dir(home.outside(""))
        .env("NIGHTLATCH_HOME", "home");
    assert_eq!(Run::of(by_variable).succeeds().stdout, absolute);

    // Without a choice, the user's own home is used, also for the command.
    let own = home.outside("data/nightlatch");
    std::fs::create_dir(home.outside("data")).unwrap();
    std::fs::rename(home.path(), &own).unwrap();
    let mut unchosen = home.command(&["exec", "--", "sh", "-c", "echo ${NIGHTLATCH_HOME-none}"]);
    unchosen.env_remove("NIGHTLATCH_HOME");
    unchosen.env("XDG_DATA_HOME", home.outside("data"));
    assert_eq!(Run::of(unchosen).succeeds().stdout, "none\n");
    std::fs::rename(own, home.path()).unwrap();
}

#[test]
fn what_looks_like_an_option_before_the_command_is_none_of_its_words() {
    let home = Home::signed_in();
    for arguments in [
        &["exec", "--no-such-option", "--", "true"][..],
        &["exec", "--min-remaining=1s", "--extend", "true"],
        &["exec", "-x"],
        &["run", "-nz", "--", "true"],
    ] {
        let run = home
            .run(arguments)
            .refuses(2, "nightlatch exec has no option -");
        assert!(!run.stderr.contains("not found:"), "{run:#?}");
    }
    // After the two dashes come the command's name and its own arguments.
    home.run(&["exec", "--", "--no-such-command"])
        .refuses(127, "--no-such-command");
    let run = home.run(&["exec", "--", "echo", "-n", "--json", "--", "-x"]);
    assert_eq!(run.succeeds().stdout, "--json -- -x");
    let run = home.run(&["exec", "echo", "--no-extend", "-q"]).succeeds();
    assert_eq!(run.stdout, "--no-extend -q\n");
    assert!(!home.events().contains(&"COMMAND_REFUSED".to_owned()));
}

#[test]
fn as_the_first_process_it_collects_orphans_and_tells_a_signal_by_its_code() {
    let home = Home::signed_in();
    let unshare = ["-pf", "--mount-proc"];
    let probe = home
        .command_under("unshare", &unshare, &["--version"])
        .output();
    if !probe.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no process namespace may be made here");
        return;
    }
    let script = "for at in 1 2 3; do (sleep 0.1 &); done; sleep 0.5; \
                  grep -l '^State:.Z' /proc/[0-9]*/status; kill -TERM $$";
    let run = Run::of(home.command_under("unshare", &unshare, &["exec", "--", "sh", "-c", script]));
    assert_eq!(run.stdout, "", "zombies: {run:#?}");
    assert_eq!(run.code, 143, "{run:#?}");
}

/// A command that prints how many times it caught `signal`, once there has been silence for a
/// while.
fn counting(signal: &str) -> String {
    format!(
        "n=0; trap 'n=$((n+1))' {signal}; sleep 0.3; echo ready; \
         for step in 1 2 3 4 5 6; do sleep 0.1; done; echo caught=$n"
    )
}

/// How often a command in its own process group, which `send` signals, caught the signal.
fn caught_by(mut command: Command, send: impl FnOnce(i32)) -> String {
    use std::io::BufRead;

    let mut child = command
        .process_group(0)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    send(i32::try_from(child.id()).unwrap());
    let caught = lines.next().unwrap().unwrap();
    child.wait().unwrap();
    caught
}

fn kill(target: i32, signal: &str) {
    let run = Command::new("kill")
        .args([&format!("-{signal}"), "--", &target.to_string()])
        .status();
    assert!(run.unwrap().success());
}

#[test]
fn what_a_whole_group_is_sent_reaches_the_command_once() {
    let home = Home::signed_in();
    for signal in ["TERM", "HUP", "INT", "USR1"] {
        let command = || home.command(&["exec", "--", "sh", "-c", &counting(signal)]);
        let by_group = caught_by(command(), |guard| kill(-guard, signal));
        assert_eq!(by_group, "caught=1", "{signal} to the group");
        let alone = caught_by(command(), |guard| kill(guard, signal));
        assert_eq!(alone, "caught=1", "{signal} to the guard alone");
    }
}

#[test]
fn under_timeout_the_command_gets_what_it_gets_without_the_guard() {
    let home = Home::signed_in();
    let script = counting("TERM").replace(
        "for step",
        "for step in 0 0 0; do sleep 0.2; done; for step",
    );
    let caught = |guard: &str| -> i32 {
        let line = format!("timeout 0.7 {guard} sh -c \"$SCRIPT\"; true");
        let mut shell = home.shell(&line);
        let run = Run::of({
            shell.env("SCRIPT", &script);
            shell
        });
        let count = run.stdout.trim().strip_prefix("ready\ncaught=");
        count.unwrap_or_else(|| panic!("{run:#?}")).parse().unwrap()
    };
    // `timeout` signals its child and then the group; the two signals may merge into one.
    let (guarded, direct) = (caught("$GUARD"), caught(""));
    assert!(
        (1..=2).contains(&guarded) && direct >= 1,
        "{guarded}, directly {direct}"
    );
}
