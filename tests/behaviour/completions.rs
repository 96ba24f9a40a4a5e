//! Completion: the scripts in real shells, and that answering changes nothing.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::support::{EMAIL, Home, OTHER_PASSWORD, PASSWORD, Pty, Run, files_in};

const SHELLS: [&str; 5] = ["bash", "zsh", "fish", "powershell", "elvish"];

/// The candidates for these words, the last of which is incomplete.
fn offered(home: &Home, words: &[&str]) -> Vec<String> {
    let run = Run::of(asking(home, words)).succeeds();
    assert_eq!(run.stderr, "");
    run.stdout.lines().map(str::to_owned).collect()
}

fn asking(home: &Home, words: &[&str]) -> Command {
    let mut command = home.command(&[&["--", "nightlatch"], words].concat());
    command
        .env("NIGHTLATCH_COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", words.len().to_string());
    command
}

/// A home with two accounts, one of which is signed in.
fn two_accounts() -> Home {
    let home = Home::registered();
    home.register_another("bob@example.com", OTHER_PASSWORD)
        .succeeds();
    home.login(&[EMAIL]).succeeds();
    home
}

#[test]
fn every_shell_gets_a_script_even_where_there_is_no_home() {
    let home = Home::bare();
    for shell in SHELLS {
        let mut command = home.command(&["completions", shell]);
        command.env_remove("HOME").env_remove("NIGHTLATCH_HOME");
        let script = Run::of(command).succeeds().stdout;
        for part in ["NIGHTLATCH_COMPLETE", shell, "nightlatch"] {
            assert!(script.contains(part), "{shell}: no {part} in {script}");
        }
    }
    assert!(!home.path().exists());
}

#[test]
fn accounts_event_types_and_the_live_session_are_completed_live() {
    let home = two_accounts();
    assert_eq!(offered(&home, &["login", "al"]), [EMAIL]);
    let both = [EMAIL, "bob@example.com"];
    assert_eq!(offered(&home, &["--account", ""]), both);
    assert_eq!(offered(&home, &["audit", "list", "--user", ""]), both);
    assert_eq!(
        offered(&home, &["audit", "export", "--event", "SESSION_E"]),
        ["SESSION_EXTENDED", "SESSION_EXPIRED"]
    );
    let id = home.status()["session_id"].as_str().unwrap().to_owned();
    assert_eq!(offered(&home, &["audit", "--session", ""]), [id]);
    home.register("carol@example.com", PASSWORD).succeeds();
    assert_eq!(offered(&home, &["login", "c"]), ["carol@example.com"]);
    home.run(&["logout"]).succeeds();
    assert!(offered(&home, &["audit", "--session", ""]).is_empty());
    // A new account has none of these emails.
    assert!(!offered(&home, &["register", ""]).contains(&EMAIL.to_owned()));
}

#[test]
fn names_of_secrets_are_completed_from_a_live_session_only_and_nothing_is_recorded() {
    let home = two_accounts();
    for name in ["prod/db", "prod/api"] {
        let set = ["secret", "set", name, "--stdin"];
        home.run_with_input(&set, b"value").succeeds();
    }
    let (events, before) = (home.audit_lines(), home.status());
    let both = ["prod/api", "prod/db"];
    assert_eq!(offered(&home, &["secret", "get", "prod"]), both);
    assert_eq!(offered(&home, &["exec", "--secret", "prod/d"]), ["prod/db"]);
    assert_eq!(offered(&home, &["secret", "rename", "prod"]), both);
    for new in [
        &["secret", "set", "prod"][..],
        &["secret", "rename", "prod/db", "prod"],
        &["account", "rename", "prod"],
    ] {
        assert!(offered(&home, new).is_empty(), "{new:?}");
    }
    assert_eq!(home.audit_lines(), events);
    assert_eq!(home.status()["expires_at"], before["expires_at"]);
    home.run(&["lock"]).succeeds();
    assert!(offered(&home, &["secret", "get", "prod"]).is_empty());
}

#[test]
fn audit_alone_is_offered_the_options_of_audit_list() {
    let home = Home::bare();
    let options = offered(&home, &["audit", "--"]);
    assert!(options.contains(&"--since".to_owned()), "{options:?}");
    assert_eq!(options, offered(&home, &["audit", "list", "--"]));
}

#[test]
fn the_home_that_the_words_name_is_the_one_that_is_asked() {
    let home = two_accounts();
    let other = Home::new();
    other.register("dora@example.com", PASSWORD).succeeds();
    let path = other.path();
    let path = path.to_str().unwrap();
    assert_eq!(
        offered(&home, &["--home", path, "login", "d"]),
        ["dora@example.com"]
    );
    let joined = format!("--home={path}");
    assert_eq!(
        offered(&home, &[&joined, "login", "d"]),
        ["dora@example.com"]
    );
    assert!(offered(&home, &["login", "d"]).is_empty());
}

/// Every file of the home with its contents and its modification time.
fn picture(home: &Home) -> Vec<String> {
    let mut all = Vec::new();
    let mut directories = vec![home.path()];
    while let Some(directory) = directories.pop() {
        for path in files_in(&directory) {
            let metadata = std::fs::symlink_metadata(&path).unwrap();
            let changed = metadata.modified().unwrap();
            all.push(format!(
                "{} {changed:?} {}",
                path.display(),
                metadata.permissions().mode()
            ));
            if metadata.is_dir() {
                directories.push(path);
            }
        }
    }
    all
}

#[test]
fn completing_writes_records_and_creates_nothing() {
    let home = two_accounts();
    let (before, log) = (picture(&home), home.audit_lines());
    for words in [
        &["login", ""][..],
        &["audit", "--session", ""],
        &["audit", "--event", ""],
        &["exec", "--", "/bin/ec"],
    ] {
        assert!(!offered(&home, words).is_empty(), "{words:?}");
    }
    assert_eq!(picture(&home), before);
    assert_eq!(home.audit_lines(), log);

    let bare = Home::bare();
    offered(&bare, &["login", ""]);
    assert!(!bare.path().exists());
    // The permissions of a directory that is not a home are not restricted, as a home's would be.
    let open = home.outside("documents");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o755)).unwrap();
    offered(&home, &["--home", open.to_str().unwrap(), "login", ""]);
    let mode = std::fs::metadata(&open).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
    assert!(files_in(&open).is_empty());
}

#[test]
fn what_cannot_be_told_is_left_out_in_silence() {
    let home = two_accounts();
    let database = home.path().join("accounts.db");
    let whole = std::fs::read(&database).unwrap();
    for bytes in [&b"no database"[..], b"", &whole[..5000]] {
        std::fs::write(&database, bytes).unwrap();
        let run = Run::of(asking(&home, &["login", "al"]));
        assert_eq!((run.code, &*run.stdout, &*run.stderr), (0, "", ""));
    }
    std::fs::write(&database, &whole).unwrap();
    // The state in which another process leaves it during a change.
    let companion = home.path().join("accounts.db-wal");
    std::fs::write(&companion, "in use").unwrap();
    std::fs::set_permissions(&companion, std::fs::Permissions::from_mode(0o600)).unwrap();
    let run = Run::of(asking(&home, &["login", "al"])).succeeds();
    assert_eq!(run.stderr, "");
    std::fs::remove_file(&companion).unwrap();
    assert_eq!(offered(&home, &["login", "al"]), [EMAIL]);
    home.configure("nonsense = true");
    assert!(offered(&home, &["login", "al"]).is_empty());
}

#[test]
fn a_variable_left_in_the_environment_opens_no_door() {
    let home = Home::registered();
    let proof = home.outside("ran");
    for shell in SHELLS {
        for arguments in [
            &["status", "--check"][..],
            &["exec", "--", "touch", proof.to_str().unwrap()],
        ] {
            let mut command = home.command(arguments);
            command.env("NIGHTLATCH_COMPLETE", shell);
            let run = Run::of(command).ends_with(4);
            assert_eq!(run.stdout, "");
        }
    }
    // Without the variable, `--` is an error, whatever follows.
    assert_ne!(home.run(&["--", "status", "--check"]).code, 0);
    assert!(!proof.exists());
}

/// `command` with the program in its path, in a directory with a space in its name, and the script
/// for `shell` in the variable `SCRIPT`; `None` if the shell is not installed.
fn surroundings(home: &Home, shell: &str, options: &[&str]) -> Option<Command> {
    let is_there = Command::new(shell).arg("--version").output().is_ok()
        || Command::new(shell).arg("-version").output().is_ok();
    if !is_there {
        eprintln!("skipped: there is no {shell}");
        return None;
    }
    let directory = home.outside("a directory");
    std::fs::create_dir(&directory).unwrap();
    let program = env!("CARGO_BIN_EXE_nightlatch");
    std::os::unix::fs::symlink(program, directory.join("nightlatch")).unwrap();
    let script = home.outside("script");
    let text = home.run(&["completions", shell]).succeeds().stdout;
    std::fs::write(&script, text).unwrap();
    let mut shell_command = home.shell("exec \"$@\"");
    shell_command.arg("sh").arg(shell).args(options);
    let path = std::env::var("PATH").unwrap();
    shell_command
        .env("PATH", format!("{}:{path}", directory.display()))
        .env("SCRIPT", &script)
        .current_dir(home.outside(""));
    Some(shell_command)
}

/// Types each line, which ends in a tab, into the shell, and waits for its completion.
fn completes(mut pty: Pty, lines: &[(&str, &str)]) {
    for (typed, becomes) in lines {
        pty.send(typed);
        pty.expect(becomes);
        // Ctrl-U and an empty line, so that the next one begins at a new prompt.
        pty.send("\u{15}\r");
        pty.expect("ready> ");
    }
    pty.send("exit\r");
}

const TYPED: &[(&str, &str)] = &[
    ("nightlatch who\t", "nightlatch whoami "),
    ("nightlatch login al\t", "alice@example.com "),
    ("nightlatch login alice@ex\t", "alice@example.com "),
    ("nightlatch audit --user=b\t", "--user=bob@example.com "),
    ("nightlatch audit list --event LOGIN_F\t", "LOGIN_FAILURE "),
    ("nightlatch audit --format jsonl --fol\t", "--follow "),
    ("nightlatch exec --min\t", "--min-remaining "),
    ("nightlatch exec -- mkfif\t", "mkfifo "),
    ("nightlatch exec -- ls scr\t", "ls script "),
];

#[test]
fn what_bash_is_offered_means_itself() {
    let home = Home::registered();
    for email in [
        "#a@example.com",
        "~b@example.com",
        "c!d@example.com",
        "e{f}@example.com",
    ] {
        home.register_another(email, OTHER_PASSWORD).succeeds();
    }
    let script = "source \"$SCRIPT\"; COMP_WORDS=(nightlatch login ''); COMP_CWORD=2\n\
        COMP_LINE='nightlatch login '; _nightlatch nightlatch '' login\n\
        printf '%s\\n' \"${COMPREPLY[@]}\" >words; eval \"printf '%s\\n' $(tr '\\n' ' ' <words)\"";
    let options = ["--norc", "--noprofile", "-c", script];
    let Some(command) = surroundings(&home, "bash", &options) else {
        return;
    };
    let offered = Run::of(command).succeeds().stdout;
    let emails = offered.lines().filter(|line| line.contains('@'));
    assert_eq!(
        emails.collect::<Vec<_>>(),
        [
            "#a@example.com",
            "alice@example.com",
            "c!d@example.com",
            "e{f}@example.com",
            "~b@example.com"
        ]
    );
}

#[test]
fn bash_completes_on_a_terminal() {
    let home = two_accounts();
    let options = ["--norc", "--noprofile", "-i"];
    let Some(mut command) = surroundings(&home, "bash", &options) else {
        return;
    };
    command.env("PS1", "ready> ").env("INPUTRC", "/dev/null");
    let mut pty = Pty::spawn_wide(command, 200);
    pty.expect("ready> ");
    pty.send(
        "bind 'set bell-style none'; bind 'set enable-bracketed-paste off'; source \"$SCRIPT\"\r",
    );
    pty.expect("ready> ");
    completes(pty, TYPED);
}

#[test]
fn zsh_completes_on_a_terminal() {
    let home = two_accounts();
    let Some(mut command) = surroundings(&home, "zsh", &["-f", "-i"]) else {
        return;
    };
    command.env("PS1", "ready> ").env("TERM", "dumb");
    let mut pty = Pty::spawn_wide(command, 200);
    pty.expect("ready> ");
    pty.send("unsetopt zle_bracketed_paste; autoload -U compinit; compinit -u -D; source \"$SCRIPT\"; bindkey -e; echo don''e\r");
    pty.expect("done");
    pty.expect("ready> ");
    completes(pty, TYPED);
}

#[test]
fn fish_completes_what_is_asked_of_it() {
    let home = two_accounts();
    let ask = |line: &str| -> Option<String> {
        let script = "source $SCRIPT; complete --do-complete \"$LINE\"";
        let options = ["--no-config", "-c", script];
        let directory = home.outside("a directory");
        let _ = std::fs::remove_dir_all(directory);
        let mut command = surroundings(&home, "fish", &options)?;
        command.env("LINE", line);
        Some(Run::of(command).succeeds().stdout)
    };
    for (line, offers) in [
        (
            "nightlatch who",
            "whoami\tPrint the email of the account that is signed in\n",
        ),
        ("nightlatch login al", "alice@example.com\n"),
        ("nightlatch login alice@ex", "alice@example.com\n"),
        ("nightlatch audit --user=b", "--user=bob@example.com\n"),
        (
            "nightlatch audit --event LOGIN_F",
            "LOGIN_FAILURE\tA sign-in failed\n",
        ),
        ("nightlatch exec -- ls scr", "script\n"),
    ] {
        let Some(answer) = ask(line) else { return };
        assert_eq!(answer, offers, "{line}");
    }
    let commands = ask("nightlatch exec -- mkfif").unwrap();
    assert!(commands.starts_with("mkfifo"), "{commands}");
}

#[test]
fn elvish_completes_on_a_terminal() {
    let home = two_accounts();
    let Some(command) = surroundings(&home, "elvish", &["-norc", "-db", "/dev/null"]) else {
        return;
    };
    let mut pty = Pty::spawn_wide(command, 120);
    pty.settle();
    pty.send("eval (slurp < $E:SCRIPT); echo don''e\r");
    pty.expect("done");
    pty.settle();
    pty.send("nightlatch login al\t");
    // It prints only the new part.
    pty.expect("ice@example.com");
    pty.send("\u{15}nightlatch audit --event LOGIN_F\t");
    pty.expect("AILURE");
}

#[test]
fn installing_a_completion_asks_and_writes_what_is_printed() {
    let home = Home::registered();
    for (shell, file) in [
        (
            "bash",
            ".local/share/bash-completion/completions/nightlatch",
        ),
        ("zsh", ".zfunc/_nightlatch"),
        ("fish", ".config/fish/completions/nightlatch.fish"),
    ] {
        let file = home.outside(file);
        let call = ["completions", shell, "--install"];
        home.run(&[&["-n"][..], &call].concat())
            .refuses(2, "nothing was changed");
        let mut pty = Pty::spawn(home.command(&call));
        pty.expect("[nightlatch] Go on? (y/N) ");
        pty.send("yes\n");
        assert!(pty.finish().1.success());
        let printed = home.run(&["completions", shell]).succeeds().stdout;
        assert_eq!(std::fs::read_to_string(&file).unwrap(), printed);
        assert!(home.run(&call).succeeds().stderr.contains("up to date"));
    }
    home.run(&["completions", "elvish", "--install"])
        .refuses(2, "no place of its own");
}
