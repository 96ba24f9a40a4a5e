//! `hook` in real bash, zsh and fish.

use std::os::unix::fs::PermissionsExt;

use crate::support::{Home, Pty, Run, tree};

struct Shell {
    name: &'static str,
    /// The command that starts it at a terminal, without a user's own settings.
    at_a_terminal: &'static str,
    /// Loads the hook, with `OPTIONS` in it.
    hook: &'static str,
    /// The variable with the last exit code.
    code: &'static str,
    /// An argument with a byte that is not text.
    byte: &'static str,
    /// Sets a prompt that shows the last exit code in angle brackets.
    prompt: &'static str,
    /// Before the hook is loaded, sets up another tool that sets the prompt each time.
    other_tool: &'static str,
}

const SHELLS: [Shell; 3] = [
    Shell {
        name: "bash",
        at_a_terminal: "bash --norc --noprofile --noediting -i",
        hook: "eval \"$(\"$NIGHTLATCH\" OPTIONS hook bash)\"",
        code: "$?",
        byte: "$'\\xff'",
        prompt: "PS1='<$?>$ '",
        other_tool: "PROMPT_COMMAND='PS1=\"tool$ \"; true;'",
    },
    Shell {
        name: "zsh",
        at_a_terminal: "zsh -f -i",
        hook: "eval \"$(\"$NIGHTLATCH\" OPTIONS hook zsh)\"",
        code: "$?",
        byte: "$'\\xff'",
        prompt: "PROMPT='<%?>%% '",
        other_tool: "precmd() { PROMPT='tool%% ' }",
    },
    Shell {
        name: "fish",
        at_a_terminal: "fish --no-config -i",
        hook: "$NIGHTLATCH OPTIONS hook fish | source",
        code: "$status",
        byte: "\\xff",
        prompt: "function fish_prompt; echo -n \"<$status>> \"; end",
        other_tool: "function fish_prompt; function fish_mode_prompt; end; echo -n 'tool> '; end",
    },
];

/// The installed shells. In CI, where all are installed, none may be missing.
fn shells() -> impl Iterator<Item = &'static Shell> {
    SHELLS.iter().filter(|shell| {
        let found = std::process::Command::new(shell.name)
            .args(["-c", "true"])
            .status();
        if found.is_ok_and(|status| status.success()) {
            return true;
        }
        let is_ci = std::env::var_os("CI").is_some();
        assert!(!is_ci, "there is no {} here, and CI needs it", shell.name);
        eprintln!("skipped: there is no {} here", shell.name);
        false
    })
}

impl Shell {
    fn hook(&self, options: &str) -> String {
        self.hook.replace("OPTIONS", options)
    }

    /// Runs `script` as a file, with the programs from [`stage`] in the search path.
    fn run(&self, home: &Home, script: &str) -> Run {
        let file = home.outside("script");
        std::fs::write(&file, script).unwrap();
        let option = if self.name == "zsh" { "-f" } else { "" };
        let line = format!("exec {} {option} '{}'", self.name, file.display());
        Run::of(home.shell(&format!("{}{line}", path(home))))
    }

    /// A person's shell at a terminal, in which `lines` were typed.
    fn start(&self, home: &Home, lines: &[&str]) -> Pty {
        let line = format!("exec {}", self.at_a_terminal);
        let mut pty = Pty::spawn(home.shell(&format!("{}{line}", path(home))));
        for line in lines {
            enter(&mut pty, line);
        }
        pty
    }
}

/// Types a line, and returns the output until the shell has run it.
fn enter(pty: &mut Pty, line: &str) -> String {
    pty.send(&format!("{line}\r"));
    pty.send("echo do''ne\r");
    pty.expect("done\r\n")
}

fn path(home: &Home) -> String {
    let bin = home.outside("bin");
    format!("PATH='{}':$PATH; export PATH; ", bin.display())
}

/// A home that is signed in and guards `commands`, with the programs `show`, which prints its
/// arguments in hexadecimal and its input and exits with 7, and `other`.
fn stage(commands: &str) -> Home {
    let home = Home::signed_in();
    guard(&home, commands);
    let bin = home.outside("bin");
    std::fs::create_dir(&bin).unwrap();
    let show = "#!/bin/sh\nfor arg; do printf '<'; printf %s \"$arg\" | od -An -v -tx1 | tr -d ' \\n'\nprintf '>'; done\n\
        printf 'exec=%s ' \"${NIGHTLATCH_EXEC_ID:+guarded}\"\ncat\nexit 7\n";
    for name in ["show", "other", "g++"] {
        let file = bin.join(name);
        std::fs::write(&file, show).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
    }
    home
}

fn guard(home: &Home, commands: &str) {
    home.configure(&format!("[guard]\ncommands = [{commands}]"));
}

/// The programs that were started under the guard, in order.
fn started(home: &Home) -> Vec<String> {
    let mut events = home.happened();
    events.retain(|event| event["event_type"] == "COMMAND_STARTED");
    events
        .iter()
        .map(|event| event["details"]["program"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_wrapped_command_is_guarded_and_takes_and_gives_what_it_does_without() {
    for shell in shells() {
        let home = stage("\"show\", \"g++\"");
        let arguments = format!(
            "'a b' '' '*' 'x\ny' \"q\\\"'\" -- -n --json '$HOME' 'back\\slash' '~' {}",
            shell.byte
        );
        let calls = format!(
            "printf input | show {arguments} | sed 's/^/piped: /'\nshow one </dev/null\necho code={}\ng++ x </dev/null\n",
            shell.code
        );
        let direct = shell.run(&home, &calls);
        assert!(
            direct.stdout.contains("<ff>") && direct.stdout.contains("code=7"),
            "{direct:#?}"
        );
        assert_eq!(started(&home), [""; 0]);
        let guarded = shell.run(&home, &format!("{}\n{calls}", shell.hook("")));
        let expected = direct.stdout.replace("exec=", "exec=guarded");
        assert_eq!(
            (guarded.stdout, guarded.stderr),
            (expected, String::new()),
            "{}",
            shell.name
        );
        assert_eq!(started(&home), ["show", "show", "g++"], "{}", shell.name);
    }
}

#[test]
fn without_a_session_a_wrapped_command_does_not_run() {
    for shell in shells() {
        let home = stage("\"show\"");
        home.run(&["logout"]).succeeds();
        let hook = shell.hook("");
        // A new session has no terminal, even if the tests run on one.
        let file = home.outside("inner");
        std::fs::write(&file, format!("{hook}\nshow x\necho code={}", shell.code)).unwrap();
        let script = format!(
            "{}setsid -w {} '{}' 2>&1",
            path(&home),
            shell.name,
            file.display()
        );
        let run = Run::of(home.shell(&script));
        assert!(run.stdout.contains("code=4"), "{run:#?}");
        assert!(run.stdout.contains("no live session"), "{run:#?}");
    }
}

#[test]
fn a_script_that_ends_at_the_first_failure_or_unset_variable_takes_the_hook_twice() {
    for shell in shells().filter(|shell| shell.name != "fish") {
        let home = stage("\"show\"");
        let hook = shell.hook("");
        let script = format!(
            "set -eu\n{hook}\n{hook}\necho before\nshow </dev/null || echo after\nshow </dev/null\necho never"
        );
        let run = shell.run(&home, &script).ends_with(7);
        assert_eq!(run.stdout, "before\nexec=guarded after\nexec=guarded ");
        assert_eq!(run.stderr, "");
    }
}

#[test]
fn the_hook_taken_again_wraps_what_is_listed_now_and_nothing_else() {
    for shell in shells() {
        let home = stage("\"show\", \"g++\"");
        let hook = shell.hook("");
        let config = home.path().join("config.toml");
        let kept = home.outside("kept.toml");
        guard(&home, "\"other\"");
        std::fs::rename(&config, &kept).unwrap();
        guard(&home, "\"show\", \"g++\"");
        let own = match shell.name {
            "fish" => "function g++; echo own; end",
            _ => "unset -f g++; g++() { echo own; }",
        };
        let script = format!(
            "{hook}\n{hook}\nshow </dev/null\n{own}\ncp '{}' '{}'\n{hook}\nshow </dev/null\ng++\nother </dev/null\n",
            kept.display(),
            config.display()
        );
        let run = shell.run(&home, &script);
        assert_eq!(
            run.stdout, "exec=guarded exec= own\nexec=guarded ",
            "{run:#?}"
        );
        assert_eq!(started(&home), ["show", "other"], "{}", shell.name);
    }
}

#[test]
fn what_the_shell_knows_of_a_program_it_knows_of_the_wrapped_one() {
    for shell in shells() {
        let home = stage("\"show\"");
        let (define, ask) = match shell.name {
            "bash" => ("complete -W 'alphabet beta' show", "complete -p show"),
            "fish" => ("complete -c show -f -a alphabet", "complete -C 'show al'"),
            // Its completion works only on terminals.
            _ => continue,
        };
        let run = shell.run(&home, &format!("{define}\n{}\n{ask}", shell.hook("")));
        assert!(run.stdout.contains("alphabet"), "{run:#?}");
    }
}

#[test]
fn a_completion_that_asks_the_command_itself_does_not_extend_the_session_and_asks_nobody() {
    for shell in shells() {
        let home = stage("\"show\"");
        let (start, setup) = match shell.name {
            "bash" => (
                "bash --norc --noprofile -i",
                "_asks() { show </dev/null >/dev/null; COMPREPLY=(alpha); }; complete -F _asks show",
            ),
            "zsh" => (
                "zsh -f -i",
                "autoload -Uz compinit; compinit -u -D; _asks() { show </dev/null >/dev/null; compadd alpha; }; compdef _asks show",
            ),
            _ => (
                "fish --no-config -i",
                "function asks; show </dev/null >/dev/null; echo alpha; end; complete -c show -f -a '(asks)'",
            ),
        };
        let mut pty = Pty::spawn(home.shell(&format!("{}exec {start}", path(&home))));
        enter(&mut pty, setup);
        enter(&mut pty, &shell.hook(""));
        let before = home.status()["last_activity_at"].clone();
        pty.settle();
        pty.send("show al\t");
        pty.expect("pha");
        assert!(
            started(&home).contains(&"show".to_owned()),
            "{}",
            shell.name
        );
        assert_eq!(home.status()["last_activity_at"], before, "{}", shell.name);
        pty.send("</dev/null\r");
        // 616c706861 is alpha.
        pty.expect("<616c706861>exec=guarded");
        assert_ne!(home.status()["last_activity_at"], before, "{}", shell.name);
        home.run(&["logout"]).succeeds();
        pty.settle();
        pty.send("show al\t");
        assert!(!pty.expect("pha").contains("Sign in to continue"));
    }
}

#[test]
fn aliases_neither_break_the_hook_nor_what_it_defines() {
    for shell in shells().filter(|shell| shell.name != "fish") {
        let home = stage("\"show\"");
        let everywhere = match shell.name {
            "zsh" => "alias -g exec=oops show=show",
            _ => "true",
        };
        let mut pty = shell.start(
            &home,
            &[
                "alias show='show via-alias' local=false builtin=false case=oops",
                everywhere,
                &shell.hook(""),
                "unalias builtin case local",
            ],
        );
        let said = enter(&mut pty, "show x </dev/null");
        assert!(said.contains("<78>exec=guarded"), "{said}");
        if shell.name == "bash" {
            assert!(said.contains("<7669612d616c696173><78>"), "{said}");
        }
        assert_eq!(started(&home), ["show"], "{}", shell.name);
    }
}

#[test]
fn a_shell_with_other_rules_for_names_and_quotes_takes_the_hook_and_keeps_its_rules() {
    for shell in shells().filter(|shell| shell.name != "fish") {
        let home = stage("\"show\", \"g++\"");
        let (rules, kept) = match shell.name {
            "bash" => (
                "export POSIXLY_CORRECT=1; shopt -u expand_aliases",
                "shopt -o posix; shopt expand_aliases; env | grep -c ^POSIXLY_CORRECT",
            ),
            _ => ("setopt csh_junkie_quotes", "setopt | grep csh"),
        };
        let (hook, code) = (shell.hook(""), shell.code);
        let calls = format!("show </dev/null\ng++ </dev/null\necho code={code}\n{kept}");
        let script = format!("{rules}\n{kept}\n{hook}\n{hook}\n{calls}");
        let run = shell.run(&home, &script);
        let (before, after) = run
            .stdout
            .split_once("exec=guarded exec=guarded code=7\n")
            .unwrap();
        assert_eq!(before, after, "{}", shell.name);
        assert!(!after.is_empty(), "{}", shell.name);
        assert_eq!(run.stderr, "", "{}", shell.name);
        assert_eq!(started(&home), ["show", "g++"], "{}", shell.name);
    }
}

#[test]
fn the_home_and_the_account_named_to_the_hook_are_those_of_its_commands() {
    for shell in shells() {
        let home = stage("");
        let odd = home.outside("it's a \"$HOME\" \\");
        std::fs::rename(home.path(), &odd).unwrap();
        std::fs::create_dir(home.path()).unwrap();
        home.configure("");
        let config = std::fs::read_to_string(odd.join("config.toml")).unwrap();
        std::fs::write(
            odd.join("config.toml"),
            format!("[guard]\ncommands = [\"show\"]\n{config}")
                .replace("[guard]\ncommands = []", ""),
        )
        .unwrap();
        let hook = shell.hook("--home \"$ODD\" --account Alice@Example.com");
        let file = home.outside("odd-script");
        std::fs::write(&file, format!("{hook}\ncd /\nshow </dev/null\n")).unwrap();
        let mut command = home.shell(&format!(
            "{}exec {} '{}'",
            path(&home),
            shell.name,
            file.display()
        ));
        command
            .env("ODD", odd.file_name().unwrap())
            .current_dir(odd.parent().unwrap());
        let run = Run::of(command);
        // The kernel's key is named after the home's own id, wherever the home is.
        assert_eq!(run.stdout, "exec=guarded ", "{run:#?}");
        let mut program = home.command(&["logout", "--all", "--home"]);
        program.arg(&odd);
        Run::of(program).succeeds();
    }
}

#[test]
fn the_prompt_shows_what_is_left_and_neither_extends_nor_records_nor_loses_the_code() {
    for shell in shells() {
        let home = stage("\"show\"");
        let mut pty = shell.start(&home, &[shell.prompt]);
        pty.expect("<0>");
        let before = (
            tree(&home.path()),
            home.status()["last_activity_at"].clone(),
        );
        enter(&mut pty, &shell.hook(""));
        enter(&mut pty, &shell.hook(""));
        pty.settle();
        pty.send("sh -c 'exit 3'\r");
        let prompt = pty.expect("<3>");
        let last = prompt.rsplit('\n').next().unwrap();
        assert_eq!(
            last.matches("[until ").count(),
            1,
            "{}: {prompt:?}",
            shell.name
        );
        for _ in 0..3 {
            assert!(!enter(&mut pty, "true").contains("nightlatch:"));
        }
        let after = (
            tree(&home.path()),
            home.status()["last_activity_at"].clone(),
        );
        assert!(before == after, "{}: it extended or recorded", shell.name);
        home.run(&["logout"]).succeeds();
        enter(&mut pty, "true");
        let bare = enter(&mut pty, "true");
        assert!(
            !bare.contains("[until ") && !bare.contains("[]"),
            "{bare:?}"
        );
    }
}

#[test]
fn the_segment_survives_a_tool_that_sets_the_prompt_each_time() {
    for shell in shells() {
        let home = stage("\"show\"");
        let mut pty = shell.start(&home, &[shell.other_tool, &shell.hook("")]);
        for _ in 0..3 {
            let said = enter(&mut pty, "true");
            let tool = said.rfind("tool").unwrap();
            let segment = said[..tool].rfind("[until ");
            assert!(
                segment.is_some_and(|at| tool - at < 200),
                "{}: {said:?}",
                shell.name
            );
        }
    }
}

#[test]
fn ones_own_prompt_commands_run_on() {
    let home = stage("\"show\"");
    let bash = &SHELLS[0];
    for own in [
        "PROMPT_COMMAND='echo own=$?; (exit 3);  '",
        "PROMPT_COMMAND=('echo own=$?' 'echo second')",
    ] {
        let again = "PROMPT_COMMAND+=$'\\n''echo last=$?'";
        let mut pty = bash.start(&home, &["set -u", own, &bash.hook(""), &bash.hook("")]);
        let second = own.contains("second");
        if !second {
            enter(&mut pty, again);
        }
        pty.settle();
        pty.send("(exit 3)\r");
        pty.expect("own=3\r\n");
        // The next handler sees the same exit code as ours.
        pty.expect(if second { "second\r\n" } else { "last=3\r\n" });
        pty.expect("[until ");
    }
}

#[test]
fn a_notice_comes_once_when_a_minute_is_left_and_once_when_the_session_has_ended() {
    for shell in shells() {
        let home = stage("\"show\"");
        let login = |idle: &str| home.login(&["--idle", idle]).succeeds();
        let mut pty = shell.start(&home, &[&shell.hook("")]);
        let mut said = || (0..3).map(|_| enter(&mut pty, "true")).collect::<String>();
        let count = |said: &str| {
            let of = |text: &str| said.matches(text).count();
            (
                of("nightlatch: the session locks in"),
                of("nightlatch: locked at "),
            )
        };
        assert_eq!(count(&said()), (0, 0));
        login("55s");
        assert_eq!(count(&said()), (1, 0), "{}", shell.name);
        login("15m");
        assert_eq!(count(&said()), (0, 0), "{}", shell.name);
        login("55s");
        assert_eq!(count(&said()), (1, 0), "{}", shell.name);
        home.run(&["logout"]).succeeds();
        assert_eq!(count(&said()), (0, 1), "{}", shell.name);
    }
}

#[test]
fn with_no_prompt_the_prompt_is_left_alone_and_the_variable_has_the_time() {
    for shell in shells() {
        let home = stage("\"show\"");
        let mut pty = shell.start(
            &home,
            &[&format!(
                "{} ",
                shell.hook("").replace("hook", "hook --no-prompt")
            )],
        );
        let said = enter(&mut pty, "echo \"left=$NIGHTLATCH_PROMPT.\"");
        assert!(said.contains("left=until "), "{}: {said:?}", shell.name);
        assert!(!said.contains("[until "), "{}: {said:?}", shell.name);
    }
}

#[test]
fn where_ones_own_prompt_has_the_time_nothing_is_put_before_it() {
    for shell in shells() {
        let home = stage("\"show\"");
        let own = match shell.name {
            "bash" => "PS1='{$NIGHTLATCH_PROMPT}$ '",
            "zsh" => "setopt prompt_subst nounset ksh_arrays; PROMPT='{$NIGHTLATCH_PROMPT}%% '",
            _ => "function fish_prompt; echo -n \"{$NIGHTLATCH_PROMPT}> \"; end",
        };
        let mut pty = shell.start(&home, &[&shell.hook(""), own]);
        let said = enter(&mut pty, "true");
        let said = said + &enter(&mut pty, "true");
        let own = said.rfind("{until ");
        assert!(own.is_some(), "{}: {said:?}", shell.name);
        assert!(
            !said[said.find("{until ").unwrap()..].contains("[until "),
            "{}: {said:?}",
            shell.name
        );
    }
}

#[test]
fn a_prompt_that_cannot_be_told_the_time_shows_none_and_no_error() {
    for shell in shells() {
        let home = stage("\"show\"");
        let mut pty = shell.start(&home, &[shell.prompt, &shell.hook("")]);
        enter(&mut pty, "true");
        pty.expect("[until ");
        home.configure("nonsense = 1");
        enter(&mut pty, "true");
        let said = enter(&mut pty, "true");
        assert!(
            !said.contains("m] ") && !said.contains("nightlatch:"),
            "{}: {said:?}",
            shell.name
        );
        assert!(said.contains("<0>"), "{}: {said:?}", shell.name);
        home.configure("");
    }
}

#[test]
fn a_shell_without_a_person_gets_the_wrappers_and_no_prompt() {
    for shell in shells() {
        let home = stage("\"show\"");
        let ask = match shell.name {
            "fish" => {
                "set -q NIGHTLATCH_PROMPT; and echo set\nfunctions -q __nightlatch_precmd; and echo defined"
            }
            _ => "echo \"${NIGHTLATCH_PROMPT+set}${PROMPT_COMMAND-}${precmd_functions-}\"",
        };
        let run = shell.run(
            &home,
            &format!("{}\n{ask}\nshow </dev/null", shell.hook("")),
        );
        assert_eq!(
            (run.stdout.trim_start(), run.stderr.as_str()),
            ("exec=guarded ", ""),
            "{}",
            shell.name
        );
    }
}

#[test]
fn a_name_no_shell_should_wrap_is_an_error_of_the_configuration() {
    let home = Home::new();
    for (bad, told) in [
        ("cd", "leave it out"),
        ("a b", "without a path"),
        ("x; id", "plain program name"),
    ] {
        guard(&home, &format!("\"{bad}\""));
        for shell in ["bash", "zsh", "fish"] {
            let run = home.run(&["hook", shell]).refuses(1, told);
            assert!(run.stderr.contains(&format!("\"{bad}\"")), "{run:#?}");
            assert_eq!(run.stdout, "");
        }
    }
    home.run(&["hook", "tcsh"]).refuses(2, "tcsh");
    let hidden = home.outside("a\u{1b}[31m");
    guard(&home, "");
    home.run(&["hook", "bash", "--home", hidden.to_str().unwrap()])
        .refuses(1, "plain, visible characters");
    assert!(!hidden.exists());
}

#[test]
fn a_command_that_the_prompt_calls_is_no_activity_and_asks_nobody() {
    for shell in shells() {
        let home = stage("\"show\"");
        let calls = "show </dev/null >/dev/null";
        let prompts = match shell.name {
            "bash" => vec![
                format!("tool() {{ {calls}; }}; PROMPT_COMMAND='tool; true'"),
                shell.hook(""),
                format!("PS1='<$({calls})>$ '"),
            ],
            "zsh" => vec![
                format!("precmd() {{ {calls}; }}"),
                shell.hook(""),
                format!("setopt prompt_subst; PROMPT='<$({calls})>%% '"),
            ],
            _ => vec![
                shell.hook(""),
                format!("function fish_prompt; {calls}; echo '> '; end"),
            ],
        };
        let prompts: Vec<_> = prompts.iter().map(String::as_str).collect();
        let mut pty = shell.start(&home, &prompts);
        pty.settle();
        let last = || home.status()["last_activity_at"].clone();
        let (before, calls) = (last(), started(&home).len());
        for _ in 0..2 {
            enter(&mut pty, "true");
        }
        pty.settle();
        assert!(
            started(&home).len() > calls + 1,
            "{}: it was called",
            shell.name
        );
        assert_eq!(last(), before, "{}: the prompt kept it alive", shell.name);
        enter(&mut pty, "show </dev/null >/dev/null");
        assert_ne!(last(), before, "{}: what is typed does", shell.name);
        home.run(&["logout"]).succeeds();
        let said = enter(&mut pty, "true");
        assert!(!said.contains("Password for"), "{}: {said}", shell.name);
        pty.send("show </dev/null\r");
        pty.expect("Password for");
        pty.send("\x03");
    }
}

#[test]
fn what_prompt_command_calls_by_its_own_name_is_no_activity_and_sees_all_codes() {
    let home = stage("\"show\"");
    let bash = &SHELLS[0];
    let calls = "echo \"codes=${PIPESTATUS[*]}\"; show </dev/null >/dev/null";
    for own in [
        format!("PROMPT_COMMAND='{calls}'"),
        format!("PROMPT_COMMAND=('{calls}' true)"),
    ] {
        home.login(&[]).succeeds();
        let mut pty = bash.start(&home, &[&own, &bash.hook(""), "true"]);
        pty.settle();
        let last = || home.status()["last_activity_at"].clone();
        let (before, started_before) = (last(), started(&home).len());
        pty.send("(exit 3) | (exit 4)\r");
        pty.expect("codes=3 4\r\n");
        enter(&mut pty, "true");
        pty.settle();
        assert!(started(&home).len() > started_before + 1, "{own}: called");
        assert_eq!(last(), before, "{own}: the prompt kept it alive");
        enter(&mut pty, "show </dev/null >/dev/null");
        assert_ne!(last(), before, "{own}: what is typed does");
    }
}

#[test]
fn in_bash_a_command_written_in_an_editor_counts_as_typed() {
    let home = stage("\"show\"");
    let bash = &SHELLS[0];
    let editor = home.outside("editor");
    std::fs::write(&editor, "#!/bin/sh\necho 'show </dev/null' >\"$1\"\n").unwrap();
    std::fs::set_permissions(&editor, PermissionsExt::from_mode(0o755)).unwrap();
    let show = home.outside("bin").join("show");
    std::fs::write(show, "#!/bin/sh\necho 'an error' >&2\n").unwrap();
    let edit = format!("set -o emacs; export VISUAL='{}'", editor.display());
    // The command that reads startup files, `source`, also runs an edited command line.
    let mut pty = bash.start(
        &home,
        &["PROMPT_COMMAND='source /dev/null'", &bash.hook(""), &edit],
    );
    pty.settle();
    let last = || home.status()["last_activity_at"].clone();
    let before = last();
    pty.send("\x18\x05");
    pty.expect("an error\r\n");
    pty.settle();
    assert_ne!(last(), before, "it is activity");
    home.run(&["logout"]).succeeds();
    pty.send("\x18\x05");
    pty.expect("Password for");
    pty.send("\x03");
    pty.expect("locked at");
}

#[test]
fn prompt_variables_that_may_not_be_set_are_left_alone_without_an_error() {
    for shell in shells().filter(|shell| shell.name != "fish") {
        let variables: &[&str] = match shell.name {
            "bash" => &["PROMPT_COMMAND", "PS1", "PS0"],
            _ => &["PROMPT"],
        };
        for variable in variables {
            let home = stage("\"show\"");
            let given = format!("{variable}='true '; readonly {variable}");
            let mut pty = shell.start(&home, &[&given, &shell.hook("")]);
            let said: String = (0..3).map(|_| enter(&mut pty, "true")).collect();
            assert!(
                !said.contains("read-only") && !said.contains("readonly"),
                "{said}"
            );
            let said = enter(&mut pty, "show x </dev/null");
            assert!(said.contains("<78>exec=guarded"), "{variable}: {said}");
            let before = home.status()["last_activity_at"].clone();
            enter(&mut pty, "show </dev/null >/dev/null");
            assert_ne!(home.status()["last_activity_at"], before, "{variable}");
        }
    }
}

#[test]
fn a_trap_on_failures_goes_off_once_for_a_failure() {
    let home = stage("\"show\"");
    let bash = &SHELLS[0];
    let script = format!(
        "{}\nset -E\ntrap 'echo trapped' ERR\nshow </dev/null",
        bash.hook("")
    );
    let run = bash.run(&home, &script).ends_with(7);
    assert_eq!(run.stdout.matches("trapped").count(), 1, "{run:#?}");
    let trap = "set -E; trap 'echo trap''ped' ERR";
    let mut pty = bash.start(&home, &[&bash.hook(""), trap]);
    for command in ["false", "show </dev/null"] {
        let said = enter(&mut pty, command);
        assert_eq!(said.matches("trapped").count(), 1, "{command}: {said}");
    }
}

#[test]
fn a_configuration_with_a_mistake_makes_wrappers_that_refuse() {
    for shell in shells() {
        let home = stage("");
        home.configure("idel = \"5m\"\n[guard]\ncommands = [\"show\", \"cd\"]");
        let run = shell.run(
            &home,
            &format!(
                "{}\nshow </dev/null\necho code={}",
                shell.hook(""),
                shell.code
            ),
        );
        assert!(run.stdout.contains("code=1"), "{}: {run:#?}", shell.name);
        assert!(
            !run.stdout.contains("exec="),
            "{}: it ran: {run:#?}",
            shell.name
        );
        assert!(
            run.stderr.contains("unknown key \"idel\""),
            "{}: {run:#?}",
            shell.name
        );
        let hook = home.run(&["hook", shell.name]);
        assert_eq!(hook.code, 1, "{hook:#?}");
        assert!(!hook.stdout.contains("function cd"), "{hook:#?}");
    }
}

#[test]
fn a_configuration_that_cannot_be_read_makes_wrappers_of_the_last_known_commands() {
    let spoilt = |home: &Home, how: &str| {
        let config = home.path().join("config.toml");
        std::fs::remove_file(&config).unwrap();
        match how {
            "nothing in it" => std::fs::write(&config, "[").unwrap(),
            "a directory" => std::fs::create_dir(&config).unwrap(),
            "a link to nowhere" => std::os::unix::fs::symlink("nowhere", &config).unwrap(),
            _ => {
                std::fs::write(&config, "[guard]\ncommands = [\"other\"]").unwrap();
                std::fs::set_permissions(&config, PermissionsExt::from_mode(0o666)).unwrap();
            }
        }
    };
    for (how, others) in [
        ("nothing in it", 0),
        ("a directory", 0),
        ("a link to nowhere", 0),
        ("open to others", 1),
    ] {
        let home = stage("\"show\"");
        home.run(&["exec", "--", "true"]).succeeds();
        spoilt(&home, how);
        let before = tree(&home.path());
        for shell in shells() {
            let calls = format!("show </dev/null\necho code={}", shell.code);
            let run = shell.run(&home, &format!("{}\n{calls}", shell.hook("")));
            assert!(run.stdout.contains("code=1"), "{how}: {run:#?}");
            assert!(!run.stdout.contains("exec="), "{how}: it ran: {run:#?}");
            let hook = home.run(&["hook", shell.name]).ends_with(1);
            assert_eq!(
                hook.stdout.matches("exec -- other").count(),
                others,
                "{hook:#?}"
            );
        }
        assert_eq!(tree(&home.path()), before, "the hook only looks");
    }
}

#[test]
fn the_last_known_commands_are_those_of_the_last_use() {
    let home = stage("\"show\"");
    let wraps = |name: &str| {
        let config = home.path().join("config.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(&config, "[").unwrap();
        let hook = home.run(&["hook", "bash"]).ends_with(1).stdout;
        std::fs::write(&config, text).unwrap();
        hook.contains(&format!("exec -- {name} "))
    };
    assert!(!wraps("show"), "it was not used with them yet");
    home.run(&["extend"]).succeeds();
    assert!(wraps("show"));
    guard(&home, "\"other\", \"g++\"");
    home.run(&["status"]).succeeds();
    assert!(wraps("show"), "looking notes nothing");
    home.run(&["exec", "--", "true"]).succeeds();
    assert!(wraps("other") && wraps("g++") && !wraps("show"));
    // `lock` works with an invalid configuration, and does not forget the commands.
    let config = home.path().join("config.toml");
    std::fs::write(&config, "[").unwrap();
    home.run(&["lock"]).succeeds();
    home.configure("");
    assert!(wraps("other"));
    home.login(&[]).succeeds();
    assert!(!wraps("other"));
    assert!(!home.path().join("guarded").exists());
}

#[test]
fn the_hook_names_the_path_that_an_upgrade_leaves_in_place() {
    let home = stage("\"show\"");
    let version = home.outside("cellar/1/bin");
    std::fs::create_dir_all(&version).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_nightlatch"), version.join("nightlatch"))
        .unwrap();
    let found = home.outside("bin/nightlatch");
    std::os::unix::fs::symlink(version.join("nightlatch"), &found).unwrap();
    let hook = |call: &str| {
        let script = format!("{}cd '{}'; {call}", path(&home), home.outside("").display());
        Run::of(home.shell(&script)).succeeds().stdout
    };
    let found = format!("'{}' exec", found.display());
    for call in ["nightlatch hook bash", "bin/nightlatch hook bash"] {
        assert!(hook(call).contains(&found), "{call}: {}", hook(call));
    }
}

#[test]
fn installing_the_hook_shows_the_line_and_adds_it_only_when_told_to() {
    for shell in &SHELLS {
        let home = stage("\"show\"");
        let file = home.outside(match shell.name {
            "bash" => ".bashrc",
            "zsh" => ".zshrc",
            _ => ".config/fish/config.fish",
        });
        let call = ["hook", shell.name, "--install"];
        home.run(&[&["-n"][..], &call].concat())
            .refuses(2, "nothing was changed");
        let answer = |answer: &str| {
            let mut pty = Pty::spawn(home.command(&call));
            let shown = pty.expect("[nightlatch] Go on? (y/N) ");
            assert!(shown.contains(&format!("hook {}", shell.name)), "{shown}");
            pty.send(answer);
            pty.finish().1.code()
        };
        assert_eq!(answer("\n"), Some(1));
        assert!(!file.exists());
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "# nightlatch hook, one day").unwrap();
        assert_eq!(answer("y\n"), Some(0));
        let text = std::fs::read_to_string(&file).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines[1].contains(&format!("hook {}", shell.name)), "{text}");
        let again = home.run(&call).succeeds();
        assert!(again.stderr.contains("already"), "{again:#?}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        let doctor = home.run(&["doctor"]).stdout;
        assert!(doctor.contains("taken in ~/"), "{doctor}");
    }
}

#[test]
fn the_first_prompt_of_fish_is_no_activity_either() {
    let Some(fish) = shells().find(|shell| shell.name == "fish") else {
        return;
    };
    let home = stage("\"show\"");
    let before = home.status()["last_activity_at"].clone();
    let file = home.outside("first.fish");
    let prompt = "function fish_prompt; show </dev/null >/dev/null; echo 'fir''st> '; end";
    std::fs::write(&file, format!("{}\n{prompt}\n", fish.hook(""))).unwrap();
    let start = format!("exec fish --no-config -i -C 'source {}'", file.display());
    let mut pty = Pty::spawn(home.shell(&format!("{}{start}", path(&home))));
    pty.expect("first> ");
    assert!(started(&home).contains(&"show".to_owned()));
    assert_eq!(home.status()["last_activity_at"], before);
}
