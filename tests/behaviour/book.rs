//! Runs every command in the documents as it is shown.
//!
//! In a document, a code block marked `console` is a terminal session: a line that begins with `$ `
//! is a command (`> ` continues it), and the lines below are its output. Each document is one
//! session from top to bottom, on a fresh account without any directories that commands need. A
//! command must succeed, and print what is shown, if anything; digits, ids and the width of columns
//! may differ, and `...` stands for any lines. A helper types passwords, and other people's
//! programs are replaced by scripts that print their arguments. A comment that readers do not see
//! can prepare the session: `<!-- run: COMMAND -->`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{PASSWORD, files_in, has_python_cryptography};

const PROGRAM: &str = env!("CARGO_BIN_EXE_nightlatch");

/// Programs that documents may use without their being installed.
const STAND_INS: &[&str] = &[
    "psql",
    "kubectl",
    "terraform",
    "systemctl",
    "sudo",
    "rsync",
    "restic",
    "borg",
];

/// Commands that cannot be run here, and the test that runs them instead.
const ELSEWHERE: &[(&str, &str)] = &[
    ("cargo ", "the continuous integration's script"),
    ("packaging/", "the continuous integration's script"),
    (
        "sudo apt ",
        "a person: it installs a package into the system",
    ),
];

/// The language recorded for commands in comments.
const HIDDEN: &str = "run";

/// A command in a document, and the output shown below it.
#[derive(Debug)]
struct Shown {
    command: String,
    output: Vec<String>,
    line: usize,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The documents for users of the program.
fn documents() -> Vec<PathBuf> {
    let mut documents = files_in(&root().join("docs"));
    documents.retain(|path| path.extension().is_some_and(|is| is == "md"));
    documents.extend(["README.md", "SECURITY.md", "CONTRIBUTING.md"].map(|name| root().join(name)));
    documents
}

/// The lines in the code blocks of `text`, each with its number and its block's language, which an
/// indented block does not have.
fn code(text: &str) -> Vec<(usize, &str, &str)> {
    let mut fence = None;
    let mut after_blank = true;
    let mut lines = Vec::new();
    for (at, line) in text.lines().enumerate() {
        match (fence, line.strip_prefix("```")) {
            (None, Some(language)) => fence = Some(language),
            (Some(_), Some(_)) => fence = None,
            (Some(language), None) => lines.push((at + 1, language, line)),
            (None, None) => {
                if let Some(code) = line.strip_prefix("    ").filter(|_| after_blank) {
                    lines.push((at + 1, "", code));
                    continue;
                }
            }
        }
        after_blank = line.is_empty();
    }
    lines
}

fn shown_in(text: &str) -> Vec<Shown> {
    let mut shown: Vec<Shown> = Vec::new();
    let hidden = text.lines().enumerate().filter_map(|(at, line)| {
        let command = line.strip_prefix("<!-- run: ")?.strip_suffix(" -->")?;
        Some((at + 1, HIDDEN, command))
    });
    let mut lines: Vec<_> = code(text).into_iter().chain(hidden).collect();
    lines.sort_unstable_by_key(|&(at, ..)| at);
    for (line, language, code) in lines {
        if language != "console" && language != HIDDEN {
            continue;
        }
        let command = code.strip_prefix("$ ");
        if let Some(command) = command.or((language == HIDDEN).then_some(code)) {
            shown.push(Shown {
                command: command.to_owned(),
                output: Vec::new(),
                line,
            });
        } else if let Some(last) = shown.last_mut() {
            match code.strip_prefix("> ") {
                Some(more) if last.output.is_empty() => {
                    last.command.push('\n');
                    last.command.push_str(more);
                }
                _ => last.output.push(code.to_owned()),
            }
        }
    }
    shown
}

/// Replaces the parts that differ between runs.
fn alike(line: &str) -> String {
    let mut alike = String::new();
    for word in line.split_whitespace() {
        let mut word: String = word
            .chars()
            .map(|c| if c.is_ascii_digit() { '0' } else { c })
            .collect();
        let is_hex = |part: &str| {
            part.len() >= 8 && part.contains('0') && part.chars().all(|c| c.is_ascii_hexdigit())
        };
        let ids: Vec<String> = word
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
            .filter(|part| is_hex(&part.replace('-', "")))
            .map(str::to_owned)
            .collect();
        for id in ids {
            word = word.replace(&id, "<id>");
        }
        if is_recovery_code(&word) {
            "<code>".clone_into(&mut word);
        }
        while word.contains("00") {
            word = word.replace("00", "0");
        }
        // 15m, or 14m 59s a second later.
        let is_span = ["0d", "0h", "0m", "0s"].contains(&word.as_str());
        if is_span && alike.ends_with("<span> ") {
            continue;
        }
        alike.push_str(if is_span { "<span>" } else { &word });
        alike.push(' ');
    }
    alike.trim_end().to_owned()
}

/// Six groups of five letters and digits.
fn is_recovery_code(word: &str) -> bool {
    let is_group =
        |group: &str| group.len() == 5 && group.chars().all(|c| c.is_ascii_alphanumeric());
    word.split('-').count() == 6 && word.split('-').all(is_group)
}

/// Whether `lines` match what `shown` shows.
fn is_as_shown(shown: &[String], lines: &[&str]) -> bool {
    match shown.split_first() {
        None => lines.is_empty(),
        Some((first, rest)) if first.trim() == "..." => {
            (0..=lines.len()).any(|skipped| is_as_shown(rest, &lines[skipped..]))
        }
        Some((first, rest)) => {
            let Some((line, after)) = lines.split_first() else {
                return false;
            };
            let matches = match first.strip_suffix("...") {
                Some(beginning) => alike(line).starts_with(&alike(beginning)),
                None => alike(line) == alike(first),
            };
            matches && is_as_shown(rest, after)
        }
    }
}

fn is_run_elsewhere(command: &str) -> bool {
    ELSEWHERE
        .iter()
        .any(|(start, _)| command.starts_with(start))
}

/// A fresh account, with the program and the stand-ins in the search path.
fn surroundings(home: &Path) -> Command {
    let bin = home.join("bin");
    std::fs::create_dir(&bin).unwrap();
    let script = |name: &str, text: &str| {
        use std::os::unix::fs::PermissionsExt;
        let path = bin.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    // Types the passwords at prompts. If there is no configuration, hashing is made cheaper.
    let person = format!(
        "#!/bin/sh\n\
         [ -e ~/.config/nightlatch/config.toml ] || cheap=\"env XDG_CONFIG_HOME=$HOME/bin/config\"\n\
         case \" $* \" in\n\
         *' --help '*) exec {PROGRAM} \"$@\" ;;\n\
         *' --password-'*) exec $cheap {PROGRAM} \"$@\" ;;\n\
         esac\n\
         for word in \"$@\"; do\n\
         case $word in\n\
         register) $cheap {PROGRAM} \"$@\" --password-stdin <~/bin/password 2>~/bin/said; code=$?\n\
         cat ~/bin/said >&2; tail -n 1 ~/bin/said | tr -d ' ' >~/bin/code; exit $code ;;\n\
         login) exec $cheap {PROGRAM} \"$@\" --password-stdin <~/bin/password ;;\n\
         recover) cat ~/bin/code ~/bin/password.next | $cheap {PROGRAM} \"$@\" --password-stdin &&\n\
         exec mv ~/bin/password.next ~/bin/password; exit ;;\n\
         passwd) cat ~/bin/password ~/bin/password.new | $cheap {PROGRAM} \"$@\" --password-stdin &&\n\
         exec mv ~/bin/password.new ~/bin/password; exit ;;\n\
         exec|run|account|audit|completions|hook|man|config) break ;;\n\
         esac\n\
         done\n\
         exec {PROGRAM} \"$@\"\n"
    );
    script("nightlatch", &person);
    for name in STAND_INS {
        script(name, &format!("#!/bin/sh\necho {name} \"$@\"\n"));
    }
    std::fs::write(bin.join("password"), format!("{PASSWORD}\n")).unwrap();
    std::fs::write(
        bin.join("password.new"),
        "A harbour wall, 11 gulls asleep\n",
    )
    .unwrap();
    std::fs::write(
        bin.join("password.next"),
        "Nine copper lanterns on a quay?\n",
    )
    .unwrap();
    let config = bin.join("config/nightlatch");
    std::fs::create_dir_all(&config).unwrap();
    std::fs::write(
        config.join("config.toml"),
        "[password]\nmemory_kib = 19456\npasses = 2\n[audit]\nsyslog = false\n",
    )
    .unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("bash");
    shell
        .env_clear()
        .env("PATH", format!("{}:{path}", bin.display()))
        .env("HOME", home)
        .env("TZ", "Europe/Berlin")
        .env("LANG", "C.UTF-8")
        .env("TERM", "xterm")
        .current_dir(home)
        .stdin(Stdio::null());
    shell
}

/// Runs the commands of `document` in sequence in one shell, and returns what is wrong.
fn wrong_in(document: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(document).unwrap();
    let name = document.strip_prefix(root()).unwrap().display().to_string();
    let mut shown = shown_in(&text);
    shown.retain(|shown| !is_run_elsewhere(&shown.command));
    if !has_python_cryptography() {
        let count = shown.len();
        shown.retain(|shown| !shown.command.starts_with("python3 "));
        if shown.len() < count {
            println!("SKIPPED: {name}: there is no python3 with the package cryptography");
        }
    }
    if shown.is_empty() {
        return Vec::new();
    }
    let scratch = tempfile::tempdir().unwrap();
    let home = scratch.path().join("home");
    std::fs::create_dir(&home).unwrap();
    let mut shell = surroundings(&home);
    shell.env("DOCUMENT", document);
    let results = scratch.path().join("results");
    std::fs::create_dir(&results).unwrap();
    let mut script = String::from("set -o pipefail\n");
    for (at, shown) in shown.iter().enumerate() {
        let results = results.display();
        let command = &shown.command;
        writeln!(script, "{{\n{command}\n}} >{results}/{at}.out 2>&1").unwrap();
        writeln!(script, "echo $? >{results}/{at}.code").unwrap();
    }
    script.push_str("nightlatch -q logout --all\n");
    shell.arg("-c").arg(script);
    let run = shell.output().unwrap();
    let mut wrong = Vec::new();
    for (at, shown) in shown.iter().enumerate() {
        let read = |ending: &str| {
            let path = results.join(format!("{at}.{ending}"));
            let bytes = std::fs::read(path).unwrap_or_default();
            String::from_utf8_lossy(&bytes).replace(&*home.to_string_lossy(), "/home/alice")
        };
        let (output, code) = (read("out"), read("code"));
        let lines: Vec<_> = output.lines().collect();
        let is_as_shown = shown.output.is_empty() || is_as_shown(&shown.output, &lines);
        if code.trim() != "0" || !is_as_shown {
            let Shown { command, line, .. } = shown;
            let shown = shown.output.join("\n");
            wrong.push(format!(
                "{name}:{line}: $ {command}\nended with {code}shown:\n{shown}\nprinted:\n{output}"
            ));
        }
    }
    if wrong.is_empty() && !run.status.success() {
        wrong.push(format!("{name}: {run:?}"));
    }
    wrong
}

#[test]
fn every_command_in_a_document_does_and_prints_what_is_shown() {
    let documents = documents();
    let wrong: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = documents
            .iter()
            .map(|document| scope.spawn(|| wrong_in(document)))
            .collect();
        let ended = running.into_iter().flat_map(|run| run.join().unwrap());
        ended.collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn no_document_shows_a_command_that_is_not_run() {
    let mut run = 0;
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        run += shown_in(&text).len();
        for (line, language, code) in code(&text) {
            let is_shell = ["", "sh", "bash", "text"].contains(&language);
            let is_command = code.starts_with("$ ") || is_shell && code.starts_with("nightlatch ");
            assert!(
                language == "console" || !is_command,
                "{}:{line}: {code}: put it in a block marked console",
                document.display()
            );
        }
    }
    assert!(run > 60, "{run} commands");
}

#[test]
fn what_is_shown_is_compared_but_for_digits_ids_and_widths() {
    let shown = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let is =
        |text: &str, printed: &str| is_as_shown(&shown(text), &printed.lines().collect::<Vec<_>>());
    assert!(is("locks in 15m unless", "locks in 14m 59s unless"));
    assert!(is("a  1", "a 22"));
    assert!(is(
        "id 7cabafef-eb57-4b42-a801-5298d53301b9",
        "id 01a1fdb0-4584-7e00-8000-000000000001"
    ));
    assert!(is("...", ""));
    assert!(is("one\n...\nlast", "one\ntwo\nthree\nlast"));
    assert!(is("begins...", "begins and ends"));
    assert!(!is("live", "dead"));
    assert!(!is("one\ntwo", "one"));
    assert!(!is("one", "one\ntwo"));
    assert!(!is("one\n...\nlast", "one\ntwo"));
}

#[test]
fn commands_are_taken_from_console_blocks_alone() {
    let text = "<!-- run: zero -->\n```console\n$ one \\\n> more\nprinted\n$ two\n```\n\n    $ indented\n\n```sh\n$ three\n```\n";
    let shown = shown_in(text);
    let commands: Vec<_> = shown.iter().map(|shown| shown.command.as_str()).collect();
    assert_eq!(commands, ["zero", "one \\\nmore", "two"]);
    assert_eq!(shown[1].output, ["printed"]);
    assert_eq!(code(text).len(), 6);
}
