//! Checks the statements in documents and messages.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::support::{Home, Run, files_in};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below `directory` whose names end like this.
fn files_below(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in files_in(directory) {
        if path.is_dir() {
            found.extend(files_below(&path, ending));
        } else if path.extension().is_some_and(|is| is == ending) {
            found.push(path);
        }
    }
    found
}

/// The source folders of the command and of each crate.
fn source_folders() -> Vec<PathBuf> {
    let mut folders = vec![root().join("src")];
    folders.extend(
        files_in(&root().join("crates"))
            .iter()
            .map(|member| member.join("src")),
    );
    folders
}

fn documents() -> Vec<PathBuf> {
    let mut documents = files_below(&root().join("docs"), "md");
    for name in ["README.md", "SECURITY.md", "CONTRIBUTING.md"] {
        documents.push(root().join(name));
    }
    documents
}

/// The command lines after `mark` in `text`, without the parts that only a shell interprets.
fn commands_behind<'a>(text: &'a str, mark: &str) -> Vec<Vec<&'a str>> {
    let ends = |c: char| "`\n\"|\\<>;()[]{}".contains(c);
    let commands = text.split(mark).skip(1).map(|rest| {
        let command = rest.split(ends).next().unwrap();
        // An explanation may follow the command.
        let words = command.split("  ").next().unwrap().split_whitespace();
        let words = words.take_while(|word| !["--", "#", "…", "&&"].contains(word));
        let words = words.map(|word| word.trim_end_matches([',', '.', ':']));
        // The number of a redirected stream is not an argument.
        let redirects = rest[command.len()..].starts_with('>');
        words.filter(|word| *word != "2" || !redirects).collect()
    });
    commands
        .filter(|words: &Vec<_>| !words.is_empty())
        .collect()
}

#[test]
fn every_command_that_a_message_or_a_document_names_exists_with_its_options() {
    let home = Home::bare();
    let mut named: Vec<(Vec<String>, String)> = Vec::new();
    let mut gather = |paths: Vec<PathBuf>, marks: [&str; 3]| {
        for path in paths {
            let text = std::fs::read_to_string(&path).unwrap();
            for words in marks.iter().flat_map(|mark| commands_behind(&text, mark)) {
                // A value that a reader would insert.
                let value = |word: &str| match word {
                    "SHELL" => "bash".to_owned(),
                    "D" => "5m".to_owned(),
                    "N" | "SEQ" => "5".to_owned(),
                    word => word.to_owned(),
                };
                let words = words.into_iter().map(value).collect();
                named.push((words, path.display().to_string()));
            }
        }
    };
    gather(
        source_folders()
            .iter()
            .flat_map(|folder| files_below(folder, "rs"))
            .collect(),
        ["`nightlatch ", ": nightlatch ", "\n  nightlatch "],
    );
    gather(
        documents(),
        ["`nightlatch ", "\n    nightlatch ", "$ nightlatch "],
    );
    // The labels of keys are not commands.
    named.retain(|(words, _)| words.last().unwrap() != "v1");
    named.sort_unstable();
    named.dedup_by(|one, other| one.0 == other.0);
    assert!(named.len() > 60, "{named:?}");
    let mut wrong = Vec::new();
    for (words, path) in named {
        let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
        words.push("--help");
        let mut run = home.run(&words);
        // An option whose value is left out or quoted.
        if run.code == 2 && words[words.len() - 2].starts_with("--") {
            words.insert(words.len() - 1, "value");
            run = home.run(&words);
        }
        // The arguments after a guarded command are its own.
        let is_run = words[0] == "exec" && run.code == 4;
        if run.code != 0 && !is_run {
            wrong.push(format!("{path}: {words:?}: {}", run.stderr));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The exit codes and kinds of errors in the source.
fn kinds_in_the_source() -> BTreeSet<(u8, String)> {
    let code = |name: &str| match name {
        "Failed" => Some(1),
        "Usage" => Some(2),
        "Refused" => Some(3),
        "NoSession" => Some(4),
        "SignInFailed" => Some(5),
        "LockedOut" => Some(6),
        "Audit" => Some(7),
        "NotExecutable" => Some(126),
        "NotFound" => Some(127),
        _ => None,
    };
    let literal = |text: &str| {
        let kind = text.trim_start().strip_prefix('"')?.split('"').next()?;
        let is_kind = kind.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        is_kind.then(|| kind.to_owned())
    };
    let mut kinds = BTreeSet::new();
    for path in files_below(&root().join("src/cli"), "rs") {
        let text = std::fs::read_to_string(path).unwrap();
        for rest in text.split("Code::").skip(1) {
            let (name, rest) = rest.split_once(',').unwrap_or_default();
            kinds.extend(code(name).zip(literal(rest)));
        }
        for rest in text.split("::failed(").skip(1) {
            kinds.extend(literal(rest).map(|kind| (1, kind)));
        }
    }
    kinds
}

#[test]
fn every_kind_of_error_is_documented_under_its_exit_code() {
    let text = std::fs::read_to_string(root().join("docs/cli.md")).unwrap();
    let (_, table) = text.split_once("\n| code | KIND |\n|---|---|\n").unwrap();
    let mut documented = BTreeSet::new();
    for row in table.lines().take_while(|line| line.starts_with('|')) {
        let mut cells = row.split('|').skip(1).map(str::trim);
        let (code, kinds) = (cells.next().unwrap(), cells.next().unwrap());
        for kind in kinds.split('`').skip(1).step_by(2) {
            documented.insert((code.parse().unwrap(), kind.to_owned()));
        }
    }
    let kinds = kinds_in_the_source();
    assert!(kinds.len() > 60, "{kinds:?}");
    let missing: Vec<_> = kinds.difference(&documented).collect();
    let extra: Vec<_> = documented.difference(&kinds).collect();
    assert!(
        missing.is_empty() && extra.is_empty(),
        "{missing:?} {extra:?}"
    );
}

/// A blank line within a table ends it, and its other rows are shown as text.
#[test]
fn every_table_of_a_document_is_whole() {
    let mut tables = 0;
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        let lines: Vec<_> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let begins = line.starts_with('|') && (at == 0 || !lines[at - 1].starts_with('|'));
            if begins {
                let rule = lines.get(at + 1).copied().unwrap_or_default();
                let is_rule = rule.starts_with("|-") && !rule.contains(char::is_alphanumeric);
                assert!(is_rule, "{}:{}: {line}", document.display(), at + 1);
                tables += 1;
            }
        }
    }
    assert!(tables > 40, "only {tables} tables");
}

#[test]
fn every_file_that_a_document_links_to_exists() {
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        for link in text
            .split("](")
            .skip(1)
            .map(|rest| rest.split(')').next().unwrap())
        {
            let file = link.split('#').next().unwrap();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            let path = document.parent().unwrap().join(file);
            assert!(path.exists(), "{}: {link}", document.display());
        }
    }
}

/// Runs docs/verify.py on a log; `None` if it cannot run.
fn check_in_python(log: &Path, fingerprint: &str) -> Option<Run> {
    if !crate::support::has_python_cryptography() {
        println!("SKIPPED: there is no python3 with the package cryptography");
        return None;
    }
    let mut command = std::process::Command::new("python3");
    command.arg(root().join("docs/verify.py")).arg(log);
    command.args(["--fingerprint", fingerprint]);
    Some(Run::of(command))
}

/// Anyone who relies on it must be able to read it.
#[test]
fn the_documented_verifier_has_under_200_lines_of_code() {
    let text = std::fs::read_to_string(root().join("docs/verify.py")).unwrap();
    assert_eq!(text.lines().find(|line| line.len() > 100), None);
    let mut within = false;
    let is_code = |line: &&str| {
        let line = line.trim();
        let marks = line.matches(r#"""""#).count();
        let is_quoted = within || line.starts_with(r#"""""#);
        within ^= marks % 2 == 1;
        !is_quoted && !line.is_empty() && !line.starts_with('#')
    };
    let code: Vec<_> = text.lines().filter(is_code).collect();
    assert!((100..200).contains(&code.len()), "{}", code.len());
    let joined = code.iter().find(|line| line.contains(';'));
    assert_eq!(joined, None);
}

#[test]
fn the_documented_verifier_in_python_says_what_ours_says() {
    let pruned = crate::support::days::used_for_days();
    pruned.run(&["audit", "prune"]).succeeds();
    let of = |home: &Home| home.run(&["audit", "fingerprint"]).succeeds().stdout;
    let fingerprint = of(&pruned);
    let fingerprint = fingerprint.trim();
    let audit = pruned.path().join("audit");
    assert!(!audit.join("0000000000000001.jsonl").exists());
    let Some(run) = check_in_python(&audit, fingerprint) else {
        return;
    };
    pruned.run(&["audit", "verify"]).succeeds();
    let said = run.succeeds().stdout;
    assert!(said.contains(", 1 removals: verified"), "{said}");

    // A log of one segment, tampered with in different ways.
    let home = Home::registered();
    let audit = home.path().join("audit");
    let verify = |fingerprint: &str| check_in_python(&audit, fingerprint).unwrap();
    let segment = audit.join("0000000000000001.jsonl");
    let text = std::fs::read_to_string(&segment).unwrap();
    let own = of(&home);
    verify(own.trim()).succeeds();
    assert_eq!(verify(fingerprint).code, 7);
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    let last = lines.last().unwrap();
    for tampered in [
        text.replacen(crate::support::EMAIL, "mallory@example.com", 1),
        [&text, *last].concat(),
        text.replacen("\"seal\":{", "\"note\":1,\"seal\":{", 1),
        lines[1..].concat(),
        lines[..lines.len() - 1].concat(),
        String::new(),
    ] {
        std::fs::write(&segment, &tampered).unwrap();
        assert_eq!(verify(own.trim()).code, 7, "{tampered}");
        home.run(&["audit", "verify"]).ends_with(7);
    }
}

#[test]
fn the_events_in_json_are_the_logs_own_bytes() {
    let home = Home::registered();
    let answer = home.run(&["audit", "--json"]).succeeds().stdout;
    let lines = home.audit_lines();
    // All lines except the record of this reading.
    let shown = &lines[..lines.len() - 1];
    assert!(!shown.is_empty());
    let expected = format!(
        "{{\"schema\":1,\"events\":[{}],\"total\":{},\"has_more\":false,\"removed\":[]}}\n",
        shown.join(","),
        shown.len()
    );
    assert_eq!(answer, expected);
}

/// The path of the module in the source file `path`.
fn module_of(path: &Path) -> String {
    let path = path.with_extension("");
    let path = if path.ends_with("mod") {
        path.parent().unwrap()
    } else {
        &path
    };
    path.to_str().unwrap().replace('/', "::")
}

#[test]
fn every_test_that_a_document_names_exists() {
    let mut folders = source_folders();
    folders.push(root().join("tests/behaviour"));
    folders.push(root().join("crates/server/tests"));
    let sources: Vec<(String, String)> = folders
        .iter()
        .flat_map(|below| {
            files_below(below, "rs").into_iter().map(move |path| {
                let text = std::fs::read_to_string(&path).unwrap();
                (module_of(path.strip_prefix(below).unwrap()), text)
            })
        })
        .collect();
    let mut checked = 0;
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        for quoted in text.split('`').skip(1).step_by(2) {
            let quoted = quoted.trim_start_matches("tests/behaviour: ");
            let Some((path, name)) = quoted.rsplit_once("::") else {
                continue;
            };
            // A test's name is a sentence; other paths are types and functions.
            let is_a_test = name.matches('_').count() >= 2
                && !path.contains(char::is_uppercase)
                && name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            if is_a_test {
                checked += 1;
                let function = format!("fn {name}(");
                // In the module's file, or in a module within that file.
                let stands_in = |module: &str| {
                    let rest = path.strip_prefix(module);
                    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
                };
                assert!(
                    sources
                        .iter()
                        .any(|(module, text)| stands_in(module) && text.contains(&function)),
                    "{}: {path}::{name}",
                    document.display()
                );
            }
        }
    }
    assert!(checked > 100, "only {checked} tests are named");
}
