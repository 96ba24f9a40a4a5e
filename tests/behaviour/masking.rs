//! Secrets in a command's output: on pipes, and on terminals, which otherwise work as before.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use nightlatch_platform::fs::shell_word;

use crate::jobs::has;
use crate::support::{Home, Pty};

/// In the environment of the command and of the shells around it.
const SECRET: &str = "hunter2!secret";

/// A signed-in home with the secret.
fn masked_home() -> Home {
    let home = Home::signed_in();
    let set = ["secret", "set", "token", "--stdin"];
    home.run_with_input(&set, SECRET.as_bytes()).succeeds();
    home
}

/// In a command of [`masked_home`], `$MASKED` runs another with the secret.
fn set_up(mut command: Command) -> Command {
    let program = env!("CARGO_BIN_EXE_nightlatch");
    command
        .env("MASKED", format!("{program} exec --secret token=S --"))
        .env("S", SECRET);
    command
}

fn shell(home: &Home, script: &str) -> Command {
    set_up(home.shell(script))
}

fn interactive(home: &Home) -> Pty {
    let mut pty = Pty::spawn(set_up(home.interactive_shell()));
    pty.expect("$ ");
    pty
}

fn output(home: &Home, script: &str) -> Output {
    let mut command = shell(home, script);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_secret_is_masked_on_stdout_and_stderr_and_the_exit_code_kept() {
    let home = masked_home();
    let script = "$MASKED sh -c 'echo out=$S; printf %s \"$S\" | base64; echo err=$S >&2; exit 5'";
    let run = output(&home, script);
    assert!(text(&run.stdout).contains("out=****\n****="), "{run:?}");
    assert_eq!(text(&run.stderr), "err=****\n");
    assert_eq!(run.status.code(), Some(5));
}

#[test]
fn a_signal_that_ends_a_masked_command_ends_its_guard() {
    let home = masked_home();
    let run = output(&home, "exec $MASKED sh -c 'kill -TERM $$'");
    assert_eq!(run.status.signal(), Some(15));
}

#[test]
fn stdout_and_stderr_in_one_file_keep_their_order() {
    let home = masked_home();
    let file = home.outside("both");
    let script =
        "$MASKED sh -c 'for i in 1 2 3 4 5; do echo o$i; echo e$i >&2; done; echo $S' >$1 2>&1";
    let mut command = shell(&home, script);
    command.args(["sh", file.to_str().unwrap()]);
    assert!(command.status().unwrap().success());
    let written = std::fs::read_to_string(file).unwrap();
    assert!(
        written.ends_with("o1\ne1\no2\ne2\no3\ne3\no4\ne4\no5\ne5\n****\n"),
        "{written:?}"
    );
}

#[test]
fn when_the_reader_of_a_pipe_leaves_the_command_ends() {
    let home = masked_home();
    let run = output(&home, "$MASKED yes \"$S\" | grep -m 2 '^[*]*$'");
    assert_eq!(text(&run.stdout), "****\n****\n");
}

#[test]
fn a_background_process_neither_holds_the_guard_up_nor_writes_unmasked() {
    let home = masked_home();
    let begun = Instant::now();
    let run = output(&home, "$MASKED sh -c '(sleep 60; echo $S) & echo done=$S'");
    assert!(begun.elapsed() < Duration::from_secs(50));
    assert!(text(&run.stdout).ends_with("done=****\n"), "{run:?}");
    assert!(run.status.success());
}

#[test]
fn a_secret_on_a_terminal_is_masked_and_typing_works() {
    let home = masked_home();
    let mut pty = interactive(&home);
    pty.send("$MASKED sh -c 'echo out=$S; echo err=$S >&2; read line; echo got=$line; exit 7'\n");
    let said = pty.expect("out=****\r\nerr=****\r\n");
    assert!(!said.contains(SECRET), "{said:?}");
    pty.send("hello\n");
    pty.expect("hello\r\ngot=hello\r\n");
    pty.expect("$ ");
    assert!(pty.echoes());
    pty.send("echo co''de=$?\n");
    pty.expect("code=7");
}

#[test]
fn a_password_prompt_under_masking_shows_nothing_typed() {
    let home = masked_home();
    let mut pty = interactive(&home);
    pty.send("$MASKED bash -c 'read -rsp Pass''word: line; echo; echo \"len=${#line}\"'\n");
    pty.expect("Password:");
    pty.settle();
    pty.send("something typed\n");
    let said = pty.expect("len=15");
    assert!(!said.contains("something"), "{said:?}");
}

#[test]
fn ctrl_c_ends_a_masked_command_and_a_script_around_it() {
    let home = masked_home();
    let mut pty = interactive(&home);
    pty.send("sh -c '$MASKED sh -c \"echo rea\\\"\\\"dy; exec sleep 60\"; echo after''wards'\n");
    pty.expect("ready");
    pty.settle();
    pty.send("\x03");
    let said = pty.expect("$ ");
    assert!(!said.contains("afterwards"), "{said:?}");
    pty.send("echo co''de=$?\n");
    pty.expect("code=130");
    assert!(pty.echoes());
    assert!(home.is_active());
}

#[test]
fn a_ctrl_c_typed_literally_interrupts_no_script_around_a_masked_command() {
    let home = masked_home();
    let mut pty = interactive(&home);
    pty.send("sh -c '$MASKED sh -c \"echo rea\\\"\\\"dy; read x; echo len=\\${#x}\"; echo after''wards'\n");
    pty.expect("ready");
    pty.settle();
    // Ctrl-V comes alone.
    pty.send("\x16");
    pty.settle();
    pty.send("\x03\n");
    pty.expect("len=1");
    pty.expect("afterwards");
}

#[test]
fn ctrl_z_stops_a_masked_command_and_fg_and_bg_resume_it() {
    let home = masked_home();
    let mut pty = interactive(&home);
    pty.send("$MASKED sh -c 'echo rea''dy; read line; echo got=$line; exit 5'\n");
    pty.expect("ready");
    pty.settle();
    pty.send("\x1a");
    pty.expect("Stopped");
    pty.expect("$ ");
    assert!(pty.echoes(), "the shell has an ordinary terminal");
    // In the background, it stops again, because it reads.
    pty.send("bg\n");
    pty.settle();
    pty.send("jobs\n");
    pty.expect("Stopped");
    pty.expect("$ ");
    pty.send("fg\n");
    pty.expect("exit 5'\r\n");
    pty.settle();
    pty.send("hello\n");
    pty.expect("got=hello");
    pty.expect("$ ");
    pty.send("echo co''de=$?\n");
    pty.expect("code=5");
}

#[test]
fn a_masked_command_that_is_killed_in_raw_mode_leaves_the_terminal_as_it_was() {
    let home = masked_home();
    let mut pty = Pty::spawn(shell(
        &home,
        "before=$(stty -g); $MASKED sh -c 'stty raw -echo; kill -9 $$'; echo code=$?; \
         [ \"$before\" = \"$(stty -g)\" ] && echo terminal=same",
    ));
    pty.expect("code=137");
    pty.expect("terminal=same");
}

#[test]
fn of_a_masked_pipeline_each_part_gets_what_it_had() {
    let home = masked_home();
    let mut pty = interactive(&home);
    // Its output is a pipe, its errors and its input are the terminal.
    pty.send("$MASKED sh -c 'echo err=$S >&2; read line; echo got=$line$S' | cat\n");
    pty.expect("err=****");
    pty.send("hello\n");
    pty.expect("got=hello****");
    pty.expect("$ ");
    // Its input is a pipe, its output is the terminal.
    pty.send("echo \"in=$S\" | $MASKED cat\n");
    pty.expect("in=****");
    pty.expect("$ ");
    assert!(pty.echoes());
}

#[test]
fn a_masked_command_whose_errors_go_elsewhere_gets_every_key() {
    let home = masked_home();
    let mut pty = interactive(&home);
    // It is not stopped for reading, and gets no error instead of the key.
    let reads =
        "$MASKED sh -c 'trap \"\" TTOU TTIN; echo rea''dy; read x; echo got=$x$S' 2>/dev/null";
    for line in [reads.to_owned(), format!("sh -c {}", shell_word(reads))] {
        pty.send(&format!("{line}; echo co''de=$?\n"));
        pty.expect("ready");
        pty.send("hello\n");
        pty.expect("got=hello****");
        pty.expect("code=0");
    }
    pty.settle();
    assert!(pty.echoes());
}

#[test]
fn a_masked_command_in_a_pipeline_leaves_the_keys_to_the_terminals_readers() {
    let home = masked_home();
    let mut pty = interactive(&home);
    // Its errors are masked, and whoever comes behind it reads the terminal, as a pager does.
    pty.send("$MASKED sh -c 'echo err=$S >&2; echo out; exec sleep 60' | sh -c 'read x </dev/tty; echo got=$x'\n");
    pty.expect("err=****");
    pty.send("hello\n");
    pty.expect("got=hello");
    pty.send("\x03");
    pty.expect("$ ");
    assert!(pty.echoes());
}

#[test]
fn a_masked_command_that_catches_the_signals_of_a_terminal_gets_it_when_it_stops() {
    let home = masked_home();
    let mut pty = interactive(&home);
    let script =
        "trap \"kill -STOP \\$\\$\" TTIN; until read x </dev/tty; do :; done; echo got=$x$S";
    for line in [
        format!("$MASKED sh -c '{script}' </dev/null"),
        format!(
            "sh -c {}",
            shell_word(&format!("$MASKED sh -c '{script}' </dev/null"))
        ),
    ] {
        pty.send(&format!("{line}; echo co''de=$?\n"));
        pty.settle();
        pty.send("hello\n");
        pty.expect("got=hello****");
        pty.expect("code=0");
    }
}

#[test]
fn ctrl_c_ends_a_masked_command_of_which_a_part_waits_for_the_terminal() {
    let home = masked_home();
    let mut pty = interactive(&home);
    // The shell catches the signal that stops what it started.
    pty.send("$MASKED sh -c 'trap : TTIN; echo rea''dy; cat /dev/tty' </dev/null\n");
    pty.expect("ready");
    pty.settle();
    pty.send("\x03");
    pty.expect("$ ");
    pty.send("echo co''de=$?\n");
    pty.expect("code=130");
}

#[test]
fn a_full_screen_monitor_with_only_some_streams_on_the_terminal_runs_masked() {
    if !has("top") {
        return;
    }
    let home = masked_home();
    let mut pty = interactive(&home);
    for line in [
        "$MASKED top -n 1 2>/dev/null",
        "$MASKED top -n 2 -d 0.1 | tail -n 3",
    ] {
        for line in [line.to_owned(), format!("sh -c '{line}'")] {
            pty.send(&format!("{line}; echo co''de=$?\n"));
            pty.expect("code=0");
        }
    }
    pty.settle();
    assert!(pty.echoes());
}

#[test]
fn line_ends_of_a_masked_command_without_the_keys_are_as_they_were() {
    let home = masked_home();
    let mut pty = interactive(&home);
    for line in [
        "$MASKED sh -c 'echo on\"\"e; echo $S' </dev/null",
        "$MASKED sh -c 'echo on\"\"e; echo $S' & wait",
    ] {
        pty.send(&format!("{line}\n"));
        pty.expect("one\r\n****\r\n");
        pty.expect("$ ");
    }
}

#[test]
fn a_shell_with_job_control_runs_masked() {
    let home = masked_home();
    let mut pty = interactive(&home);
    pty.send("PS1='inner ' $MASKED bash --norc --noprofile --noediting -i; echo co''de=$?\n");
    pty.expect("inner ");
    pty.send("sh -c 'echo rea''dy; read line; echo got=$line$S'\n");
    pty.expect("ready");
    pty.settle();
    pty.send("\x1a");
    pty.expect("Stopped");
    pty.expect("inner ");
    pty.send("fg\n");
    pty.settle();
    pty.send("hello\n");
    pty.expect("got=hello****");
    pty.expect("inner ");
    pty.send("exit 6\n");
    pty.expect("code=6");
}

#[test]
fn an_editor_under_masking_edits_stops_resumes_and_sees_a_new_size() {
    if !has("vim") {
        return;
    }
    let home = masked_home();
    let file = home.outside("note");
    let mut pty = interactive(&home);
    pty.send(&format!(
        "$MASKED vim -u NONE -i NONE -n {}\n",
        file.display()
    ));
    pty.expect("~");
    pty.settle();
    assert!(!pty.echoes());
    pty.send("ihello from the editor\x1b");
    pty.expect("hello from the editor");
    pty.send(&format!(":put ='{SECRET}'\r"));
    pty.expect("****");
    pty.settle();
    pty.send("\x1a");
    pty.expect("Stopped");
    pty.settle();
    assert!(pty.echoes(), "the shell has an ordinary terminal");
    pty.send("fg\n");
    pty.expect("hello from the editor");
    pty.settle();
    pty.resize(100, 30);
    pty.settle();
    pty.send(":echo &columns &lines\r");
    pty.expect("100 30");
    pty.send(":wq\r");
    pty.expect("$ ");
    pty.settle();
    assert!(pty.echoes());
    let written = std::fs::read_to_string(file).unwrap();
    assert_eq!(written, format!("hello from the editor\n{SECRET}\n"));
}

#[test]
fn a_pager_under_masking_pages_a_file_and_a_pipe() {
    if !has("less") {
        return;
    }
    let home = masked_home();
    let file = home.outside("long");
    let lines: Vec<String> = (1..=200)
        .map(|line| format!("line {line}. {SECRET}"))
        .collect();
    std::fs::write(&file, lines.join("\n")).unwrap();
    let mut pty = interactive(&home);
    for script in ["$MASKED less FILE", "cat FILE | $MASKED less"] {
        let script = script.replace("FILE", file.to_str().unwrap());
        pty.send(&format!("{script}; echo co''de=$?\n"));
        pty.expect("line 1. ****");
        pty.settle();
        pty.send("G");
        let said = pty.expect("line 200. ****");
        assert!(!said.contains(SECRET), "{said:?}");
        pty.send("q");
        pty.expect("code=0");
        pty.expect("$ ");
        pty.settle();
        assert!(pty.echoes());
    }
}

#[test]
fn a_full_screen_monitor_under_masking_redraws_at_a_new_size() {
    if !has("top") {
        return;
    }
    let home = masked_home();
    let mut pty = interactive(&home);
    pty.send("$MASKED top -d 60; echo co''de=$?\n");
    pty.expect("load average");
    pty.settle();
    pty.resize(100, 30);
    pty.expect("load average");
    pty.send("q");
    pty.expect("code=0");
    pty.settle();
    assert!(pty.echoes());
}

#[test]
fn closing_the_window_hangs_up_on_a_masked_command() {
    let home = masked_home();
    let file = home.outside("hung-up");
    let mut command = shell(
        &home,
        "exec $MASKED sh -c 'trap \"echo x >$1; exit\" HUP; echo ready; while :; do sleep 0.05; done' sh $1",
    );
    command.args(["sh", file.to_str().unwrap()]);
    let mut pty = Pty::spawn(command);
    pty.expect("ready");
    pty.hang_up();
    assert!(file.exists());
}

#[test]
fn much_output_on_a_terminal_is_masked_and_complete() {
    let home = masked_home();
    let mut command = shell(&home, "exec $MASKED sh -c 'yes \"($S)\" | head -n 20000'");
    command.stdin(Stdio::null());
    let (said, status) = Pty::spawn(command).finish();
    assert!(status.success());
    assert!(!said.contains(SECRET));
    assert_eq!(said.lines().count(), 20_000);
    // On a busy machine, `yes` may pause in the middle of a secret; then its beginning is shown.
    let is_masked = |line: &str| line.starts_with('(') && line.trim_end().ends_with("****)");
    assert!(said.lines().all(is_masked));
}

#[test]
fn a_masked_command_fails_if_its_output_finds_a_full_disk() {
    let home = masked_home();
    let run = output(&home, "$MASKED echo $S >/dev/full");
    assert_eq!(run.status.code(), Some(1));
    assert!(text(&run.stderr).contains("not all output could be written"));
}

#[test]
fn binary_output_is_unchanged_by_masking() {
    let home = masked_home();
    let file = home.outside("binary");
    let bytes: Vec<u8> = (0..300_000_u32)
        .flat_map(|n| n.wrapping_mul(n).to_le_bytes())
        .collect();
    std::fs::write(&file, &bytes).unwrap();
    let run = output(&home, &format!("$MASKED cat {}", file.display()));
    assert!(run.stdout == bytes, "{} bytes", run.stdout.len());
}

#[test]
fn a_masked_command_gets_a_broken_pipe_as_a_signal() {
    let home = masked_home();
    let run = output(&home, "$MASKED sh -c 'yes; echo code=$? >&2' | head -n 1");
    assert_eq!(text(&run.stdout), "y\n");
    assert_eq!(text(&run.stderr), "code=141\n");
}

#[test]
fn a_masked_command_may_close_its_outputs_and_inherits_nothing_else() {
    let home = masked_home();
    let script = "ls /proc/$$/fd; exec >&-; echo err=$S >&2; exec 2>&-; exit 3";
    let run = output(&home, &format!("$MASKED sh -c '{script}'"));
    let plain = output(&home, "sh -c 'ls /proc/$$/fd'");
    assert_eq!(text(&run.stdout), text(&plain.stdout));
    assert_eq!(text(&run.stderr), "err=****\n");
    assert_eq!(run.status.code(), Some(3));
}

#[test]
fn no_mask_shows_secrets_and_a_short_secret_is_named() {
    let home = masked_home();
    let run = output(&home, "${MASKED% --} --no-mask -- sh -c 'echo $S'");
    assert_eq!(text(&run.stdout), format!("{SECRET}\n"));
    assert_eq!(text(&run.stderr), "");
    let set = ["secret", "set", "pin", "--stdin"];
    home.run_with_input(&set, b"12345\n").succeeds();
    let run = output(
        &home,
        "${MASKED% --} --secret pin=PIN -- sh -c 'echo $S $PIN'",
    );
    assert_eq!(text(&run.stdout), "**** 12345\n");
    let told = text(&run.stderr);
    assert!(
        told.contains("secret pin was not masked: it is shorter than 6 bytes"),
        "{told}"
    );
}

#[test]
fn only_a_command_whose_secrets_are_masked_gets_a_terminal_of_its_own() {
    let home = masked_home();
    let mut pty = interactive(&home);
    pty.send("before=$(tty); nightlatch() { \"${MASKED%% *}\" \"$@\"; }\n");
    for (run, is_ours) in [
        ("nightlatch exec --", true),
        ("${MASKED% --} --no-mask --", true),
        ("$MASKED", false),
    ] {
        let test = format!("{run} sh -c '[ \"$1\" = \"$(tty)\" ]' sh $before; echo sa''me=$?\n");
        pty.send(&test);
        pty.expect(&format!("same={}", i32::from(!is_ours)));
    }
}

#[test]
fn a_secret_written_to_dev_tty_or_typed_is_masked_on_a_terminal() {
    let home = masked_home();
    let mut pty = interactive(&home);
    pty.send("$MASKED sh -c 'echo tty=$S >/dev/tty; cat; echo en\"\"ded'\n");
    let said = pty.expect("tty=****\r\n");
    assert!(!said.contains(SECRET), "{said:?}");
    pty.send(&format!("{SECRET}\n"));
    let said = pty.expect("**\r\n") + &pty.expect("****\r\n");
    assert!(!said.contains(SECRET), "{said:?}");
    // Ctrl-D.
    pty.send("\x04");
    pty.expect("ended");
}

#[test]
fn a_full_screen_program_gets_every_key_mouse_and_paste_sequence() {
    let home = masked_home();
    let mut pty = interactive(&home);
    let script = "stty raw -echo; printf \"\\033[?2004h\\033[?1006h\"; echo rea\"\"dy; \
                  head -c 26 | od -An -v -tx1; stty sane; echo en\"\"ded";
    pty.send(&format!("$MASKED sh -c '{script}'\n"));
    pty.expect("\x1b[?2004h\x1b[?1006h");
    pty.expect("ready");
    pty.settle();
    // A pasted "x", a click, and keys that a line would act on.
    pty.send("\x1b[200~x\x1b[201~\x1b[<0;1;1M\x03\x1a\x04\r");
    pty.expect("1b 5b 32 30 30 7e 78 1b 5b 32 30 31 7e 1b 5b 3c");
    pty.expect("30 3b 31 3b 31 4d 03 1a 04 0d");
    pty.expect("ended");
    pty.expect("$ ");
    assert!(pty.echoes());
}

#[test]
fn when_the_guard_of_a_masked_command_is_killed_its_terminal_is_restored() {
    let home = masked_home();
    // The command's parent is a helper, whose parent is the guard.
    let kill = "stty raw -echo; kill -9 $(cut -d \" \" -f 4 /proc/$PPID/stat); sleep 60";
    let mut pty = Pty::spawn(shell(
        &home,
        &format!(
            "before=$(stty -g); $MASKED sh -c '{kill}'; echo code=$?; \
             while [ \"$before\" != \"$(stty -g)\" ]; do sleep 0.05; done; echo terminal=same"
        ),
    ));
    pty.expect("code=137");
    pty.expect("terminal=same");
    pty.finish();
    home.run(&["status"]).ends_with(4);
}

#[test]
fn a_full_screen_program_that_is_revoked_leaves_the_terminal_as_it_was() {
    let home = masked_home();
    let script = "trap \"\" TERM HUP; stty raw -echo; echo rea\"\"dy; while :; do sleep 1; done";
    let mut pty = Pty::spawn(shell(
        &home,
        &format!(
            "before=$(stty -g); $MASKED sh -c '{script}'; echo code=$?; \
             [ \"$before\" = \"$(stty -g)\" ] && echo terminal=same"
        ),
    ));
    pty.expect("ready");
    home.run(&["revoke", "--reason", "a test"]).succeeds();
    pty.expect("code=137");
    pty.expect("terminal=same");
}

#[test]
fn a_background_process_on_a_masked_terminal_does_not_hold_the_guard_up() {
    let home = masked_home();
    let mut pty = interactive(&home);
    let begun = Instant::now();
    pty.send("$MASKED sh -c 'sleep 60 & echo do\"\"ne=$S'; echo co''de=$?\n");
    pty.expect("done=****");
    pty.expect("code=0");
    assert!(begun.elapsed() < Duration::from_secs(50));
    pty.settle();
    assert!(pty.echoes());
}
