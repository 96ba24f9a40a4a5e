//! Secrets on their way out: into guarded commands, templates, exports; and in: from other programs.

use std::os::unix::fs::{PermissionsExt, symlink};

use crate::support::checks::until;
use crate::support::scan::{Memory, sees_into_processes};
use crate::support::{EMAIL, Home, OTHER_PASSWORD, PASSWORD, Pty, Run};

const VALUE: &str = "correct-horse-battery-staple";

fn with_secrets() -> Home {
    let home = Home::signed_in();
    for (name, value) in [("prod/db", VALUE), ("api-token", "t0ken")] {
        let set = ["secret", "set", name, "--stdin"];
        home.run_with_input(&set, value.as_bytes()).succeeds();
    }
    home
}

#[test]
fn a_command_gets_secrets_in_variables_and_nobody_else_does() {
    let home = with_secrets();
    let script = "printf '%s %s %s' \"$PGPASSWORD\" \"$API_TOKEN\" \"$*\"";
    let run = home.run(&[
        "exec",
        "--no-mask",
        "--secret",
        "prod/db=PGPASSWORD",
        "--secret",
        "api-token",
        "--",
        "sh",
        "-c",
        script,
    ]);
    assert_eq!(run.succeeds().stdout, format!("{VALUE} t0ken "));
    let used = |event: &String| event == "SECRET_USED";
    assert_eq!(home.events().iter().filter(|event| used(event)).count(), 2);
    // The command line of the guard has the name, and never the value.
    let own = "tr '\\0' ' ' </proc/$PPID/cmdline";
    let run = home.run(&[
        "exec",
        "--no-mask",
        "--secret",
        "prod/db=X",
        "--",
        "sh",
        "-c",
        own,
    ]);
    assert!(!run.succeeds().stdout.contains(VALUE));
}

#[test]
fn a_command_gets_a_secret_as_a_file_in_memory() {
    let home = with_secrets();
    let script = "cat \"$F\"; stat -L -c ' %h %a' \"$F\"; sh -c 'cat \"$F\"'";
    let run = home.run(&[
        "exec",
        "--no-mask",
        "--secret-file",
        "prod/db=F",
        "--",
        "sh",
        "-c",
        script,
    ]);
    assert_eq!(run.succeeds().stdout, format!("{VALUE} 0 400\n{VALUE}"));
}

#[test]
fn an_env_file_sets_variables_and_its_references_are_secrets() {
    let home = with_secrets();
    let file = home.outside("env");
    let path = file.to_str().unwrap().to_owned();
    let with = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let print = ["--", "sh", "-c", "echo $A $B"];
        home.run(&[&["exec", "--no-mask", "--env-file", &path], &print[..]].concat())
    };
    let run = with("# mine\nA=plain\nexport B=\"nightlatch://prod/db\"\n");
    assert_eq!(run.succeeds().stdout, format!("plain {VALUE}\n"));
    with("A=1\nB=nightlatch://a//b\n").refuses(3, "line 2: broken reference");
    with("A=1\n1B=2\n").refuses(3, "line 2: a variable has a name");
    with("A=1\nnonsense\n").refuses(3, "line 2: there is no =");
    with("A=1\nA=2\n").refuses(2, "A is given twice");
    with("A=nightlatch://none\n").refuses(3, "there is no secret \"none\"");
    let set = "line 1: nightlatch itself sets NIGHTLATCH_EXEC_ID";
    with("NIGHTLATCH_EXEC_ID=1\n").refuses(3, set);
    with("NIGHTLATCH_EXEC_ID=nightlatch://prod/db\n").refuses(3, set);
}

#[test]
fn an_env_file_sets_variables_to_the_bytes_that_it_has() {
    let home = with_secrets();
    let file = home.outside("env");
    let path = file.to_str().unwrap();
    let exec = [
        "exec",
        "--env-file",
        path,
        "--",
        "sh",
        "-c",
        "printf %s \"$A\" | od -An -tx1",
    ];
    std::fs::write(&file, b"A=caf\xe9\xff\n").unwrap();
    let run = home.run(&exec).succeeds();
    assert_eq!(run.stdout.trim(), "63 61 66 e9 ff");
    std::fs::write(&file, b"B=1\nA=a\0b\n").unwrap();
    home.run(&exec)
        .refuses(3, "line 2: no variable can have this value");
}

#[test]
fn without_one_of_its_secrets_a_command_does_not_start() {
    let home = with_secrets();
    let mark = home.outside("ran");
    let touch = ["touch", mark.to_str().unwrap()];
    let with = |secrets: &[&str]| home.run(&[&["exec"], secrets, &["--"], &touch[..]].concat());
    with(&["--secret", "prod/db=X", "--secret", "none=Y"]).refuses(3, "no secret \"none\"");
    with(&["--secret-file", "none=Y"]).refuses(3, "no secret \"none\"");
    with(&["--secret", "prod/db=1X"]).refuses(2, "a variable has a name");
    with(&["--secret", "ключ"]).refuses(2, "a variable has a name");
    with(&["--secret-file", "prod/db"]).refuses(2, "the variable for the path is missing");
    // Its processes would not be found by it.
    for given in ["--secret", "--secret-file"] {
        with(&[given, "prod/db=NIGHTLATCH_EXEC_ID"])
            .refuses(2, "nightlatch itself sets NIGHTLATCH_EXEC_ID");
    }
    with(&["--secret", "prod/db=X", "--secret", "api-token=X"]).refuses(2, "X is given twice");
    let set = ["secret", "set", "binary", "--stdin"];
    home.run_with_input(&set, b"a\0b").succeeds();
    with(&["--secret", "binary=X"]).refuses(3, "--secret-file");
    home.run(&["secret", "rm", "prod/db", "--yes"]).succeeds();
    with(&["--secret", "prod/db=X"]).refuses(3, "no secret \"prod/db\"");
    assert!(!mark.exists());
    home.run(&["lock"]).succeeds();
    with(&["--secret", "api-token"]).refuses(4, "no live session");
    assert!(!mark.exists());
}

#[test]
fn a_guarded_command_gets_its_configured_secrets_without_being_asked() {
    let home = with_secrets();
    home.configure(
        "[guard]\ncommands = [\"show\"]\n[guard.show]\nsecrets = { PASS = \"prod/db\" }\n\
         secret_files = { TOKEN_FILE = \"api-token\" }\n",
    );
    let script = "echo \"$PASS $(cat \"$TOKEN_FILE\" 2>/dev/null)\"";
    let program = home.script("show", script);
    let path = home.search_path();
    let run = |arguments: &[&str]| {
        let mut command = home.command(arguments);
        command.env("PATH", &path).env("PASS", "inherited");
        Run::of(command)
    };
    let both = format!("{VALUE} t0ken\n");
    let shown = run(&["exec", "--no-mask", "--", "show"]).succeeds();
    assert_eq!(shown.stdout, both);
    let used = |home: &Home| {
        let events = home.events();
        events
            .iter()
            .filter(|event| *event == "SECRET_USED")
            .count()
    };
    assert_eq!(used(&home), 2);
    // A path names another program, and so does a script that runs it.
    let named = program.to_str().unwrap();
    let by_path = run(&["exec", "--", named]).succeeds();
    assert_eq!(by_path.stdout, "inherited \n");
    let within = run(&["exec", "--", "sh", "-c", "show"]).succeeds();
    assert_eq!(within.stdout, "inherited \n");
    assert_eq!(used(&home), 2);
    // What the command line says counts more.
    let other = run(&["exec", "--secret", "api-token=PASS", "--", "show"]).succeeds();
    assert_eq!(other.stdout, "t0ken t0ken\n");
    let file = home.outside("env");
    std::fs::write(&file, "PASS=plain\n").unwrap();
    let plain = run(&["exec", "--env-file", file.to_str().unwrap(), "--", "show"]);
    assert_eq!(plain.succeeds().stdout, "plain t0ken\n");

    home.run(&["secret", "rm", "api-token", "--yes"]).succeeds();
    let refused = run(&["exec", "--", "show"]).refuses(3, "there is no secret \"api-token\"");
    assert!(
        refused
            .stderr
            .contains("the configuration gives it to show"),
        "{refused:?}"
    );
    home.run(&["lock"]).succeeds();
    run(&["exec", "--", "show"]).refuses(4, "no live session");
}

/// Needs root, as everything that looks into processes.
#[test]
fn while_its_command_runs_unmasked_the_guard_holds_no_secret() {
    if !sees_into_processes() {
        return;
    }
    let home = with_secrets();
    for given in ["--secret", "--secret-file"] {
        let script = "echo $PPID; read -r line";
        let secret = ["exec", "--no-mask", given, "prod/db=X"];
        let mut guard = home.command(&[&secret[..], &["--", "sh", "-c", script]].concat());
        let mut child = guard
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = std::io::BufReader::new(child.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut output, &mut line).unwrap();
        let pid = line.trim().parse().unwrap();
        let path = home.path();
        let has = |memory: &Memory, bytes: &[u8]| !memory.places(bytes).is_empty();
        // The command runs a moment before the guard knows that it was started.
        until("the guard has taken the secret back", || {
            let memory = Memory::of(pid);
            assert!(has(&memory, path.to_str().unwrap().as_bytes()));
            let mut pieces = VALUE.as_bytes().windows(12);
            !pieces.any(|piece| has(&memory, piece))
        });
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}

#[test]
fn a_template_is_filled_and_a_broken_one_is_left_alone() {
    let home = with_secrets();
    let inject = |template: &str| home.run_with_input(&["secret", "inject"], template.as_bytes());
    let filled = inject("p: {{ nightlatch://prod/db }}\nq: {{ .Values }}\n").succeeds();
    assert_eq!(filled.stdout, format!("p: {VALUE}\nq: {{{{ .Values }}}}\n"));
    let broken = inject("a\n{{ nightlatch://a\n").refuses(3, "line 2");
    assert_eq!(broken.stdout, "");
    inject("{{ nightlatch://none }}").refuses(3, "no secret \"none\"");
    let (template, output) = (home.outside("in"), home.outside("out"));
    std::fs::write(&template, "{{ nightlatch://api-token }}").unwrap();
    std::fs::write(&output, "old").unwrap();
    std::fs::set_permissions(&output, std::fs::Permissions::from_mode(0o644)).unwrap();
    let [from, to] = [&template, &output].map(|path| path.to_str().unwrap());
    home.run(&["inject", "-i", from, "-o", to]).succeeds();
    assert_eq!(std::fs::read_to_string(&output).unwrap(), "t0ken");
    let mode = std::fs::metadata(&output).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    home.run(&["inject", "-i", from, "-o", "/does/not/exist"])
        .refuses(1, "cannot write");
}

#[test]
fn an_output_that_is_no_file_is_refused_before_anything_is_asked_or_recorded() {
    let home = with_secrets();
    let [target, link, template] = ["target", "link", "in"].map(|name| home.outside(name));
    std::fs::write(&target, "kept").unwrap();
    symlink(&target, &link).unwrap();
    std::fs::write(&template, "{{ nightlatch://api-token }}").unwrap();
    let events = home.audit_lines();
    let (directory, template) = (home.path(), template.to_str().unwrap());
    for output in [&link, &directory] {
        let output = output.to_str().unwrap();
        let export = ["secret", "export", "--format", "json", "-o", output];
        home.run(&export).refuses(1, "not a regular file");
        let inject = ["inject", "-i", template, "-o", output];
        home.run(&inject).refuses(1, "not a regular file");
    }
    for arguments in [
        &["secret", "export", "--format", "json"][..],
        &["inject", "-i", template],
    ] {
        let (said, _) = Pty::spawn(home.command(arguments)).finish();
        assert!(said.contains("standard output is a terminal"), "{said:?}");
    }
    assert_eq!(std::fs::read_to_string(target).unwrap(), "kept");
    assert!(link.is_symlink());
    assert_eq!(home.audit_lines(), events);
}

#[test]
fn an_import_takes_what_is_right_and_names_what_is_not() {
    let home = with_secrets();
    let import = |format: &str, text: &str, more: &[&str]| {
        let arguments = [&["secret", "import", "--format", format], more].concat();
        home.run_with_input(&arguments, text.as_bytes())
    };
    let half = import("env", "A=1\nnonsense\nB='two words'\nexport C=\n", &[]).ends_with(1);
    for line in ["line 2: there is no =", "line 4: the value is empty"] {
        assert!(half.stderr.contains(line), "{half:?}");
    }
    assert!(!half.stderr.contains("nonsense"), "{half:?}");
    assert_eq!(home.run(&["secret", "get", "B"]).stdout, "two words");
    let json = "{\"A\": \"1\", \"api-token\": \"new\", \"bin\": {\"base64\": \"AAE=\"}}";
    let told = import("json", json, &["--json"]).ends_with(1).json();
    assert_eq!((&told["set"], &told["same"]), (&1.into(), &1.into()));
    assert_eq!(told["kept"][0], "api-token");
    assert_eq!(home.run(&["secret", "get", "api-token"]).stdout, "t0ken");
    import("json", json, &["--replace"]).succeeds();
    assert_eq!(home.run(&["secret", "get", "api-token"]).stdout, "new");
    import("json", "{\"A\": \"1\",", &[]).refuses(3, "line 1: not a JSON object");
    let aws = "[default]\naws_access_key_id = AKIA\naws_secret_access_key = s3cret\n";
    import("aws", aws, &[]).succeeds();
    let got = home.run(&["secret", "get", "aws/default/aws_secret_access_key"]);
    assert_eq!(got.stdout, "s3cret");
    assert_eq!(
        home.run(&["secret", "list", "--json"]).json()["as_recorded"],
        true
    );
}

#[test]
fn after_an_import_of_more_than_a_page_of_the_log_the_list_and_doctor_still_end() {
    use std::fmt::Write as _;

    let home = Home::signed_in();
    let mut file = String::new();
    for number in 0..1200 {
        writeln!(file, "S{number}={number}").unwrap();
    }
    let import = ["secret", "import", "--format", "env"];
    home.run_with_input(&import, file.as_bytes()).succeeds();
    let listed = home.run(&["secret", "list", "--json"]).succeeds().json();
    assert_eq!(listed["secrets"].as_array().unwrap().len(), 1200);
    assert_eq!(listed["as_recorded"], true);
    let told = home.run(&["doctor"]).succeeds();
    assert!(told.stdout.contains("secrets"), "{told:?}");
}

#[test]
fn a_recovery_keeps_the_secrets() {
    let home = with_secrets();
    let new_code = ["account", "recovery", "--new", "--password-stdin"];
    let code = home
        .run_with_input(&new_code, PASSWORD.as_bytes())
        .succeeds();
    let input = format!("{}\n{OTHER_PASSWORD}\n", code.stdout.trim());
    home.run_with_input(&["recover", "--password-stdin"], input.as_bytes())
        .succeeds();
    let login = ["login", "--password-stdin"];
    home.run_with_input(&login, OTHER_PASSWORD.as_bytes())
        .succeeds();
    assert_eq!(home.run(&["secret", "get", "prod/db"]).stdout, VALUE);
}

#[test]
fn an_import_from_pass_takes_the_first_line_and_keeps_the_rest() {
    let home = Home::signed_in();
    let store = home.outside("store");
    std::fs::create_dir_all(store.join("web/.git")).unwrap();
    std::fs::write(store.join("web/mail.gpg"), "s3cret\nuser: alice\n").unwrap();
    std::fs::write(store.join("bad.gpg"), "").unwrap();
    std::fs::write(store.join("web/.git/x.gpg"), "no").unwrap();
    // In place of gpg: what it is asked for, and a failure.
    home.script("gpg", "case $3 in */bad.gpg) exit 2;; esac\ncat \"$3\"");
    let arguments = [
        "secret",
        "import",
        "--format",
        "pass",
        store.to_str().unwrap(),
    ];
    let mut command = home.command(&arguments);
    command.env("PATH", home.search_path());
    let run = Run::of(command).ends_with(1);
    assert!(
        run.stderr.contains("bad: gpg could not decrypt it"),
        "{run:?}"
    );
    assert_eq!(home.run(&["secret", "get", "web/mail"]).stdout, "s3cret");
    assert_eq!(
        home.run(&["secret", "get", "web/mail/notes"]).stdout,
        "user: alice\n"
    );
}

#[test]
fn an_export_asks_for_the_password_again_and_is_imported_as_it_was() {
    let home = with_secrets();
    let export = |format: &str, password: &str| {
        let arguments = ["secret", "export", "--format", format, "--password-stdin"];
        home.run_with_input(&arguments, password.as_bytes())
    };
    home.run(&["secret", "export", "--format", "json"])
        .refuses(2, "no terminal");
    let wrong = export("json", OTHER_PASSWORD).refuses(5, "wrong");
    assert_eq!(wrong.stdout, "");
    let json = export("json", PASSWORD).succeeds().stdout;
    let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(parsed["prod/db"], VALUE);
    let env = export("env", PASSWORD).ends_with(1);
    assert_eq!(env.stdout, "");
    assert!(env.stderr.contains("prod/db is left out"), "{env:?}");
    let again = ["secret", "import", "--format", "json", "--json"];
    let told = home
        .run_with_input(&again, json.as_bytes())
        .succeeds()
        .json();
    assert_eq!(told["same"], 2);
    home.run(&["lock"]).succeeds();
    export("json", PASSWORD).refuses(4, "no live session");
    assert!(
        home.happened()
            .iter()
            .any(|event| event["username"] == EMAIL)
    );
}
