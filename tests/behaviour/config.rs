//! The configuration: the settings in force and their origin, and mistakes in the file.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::support::{EMAIL, Home, Run, tree};

fn shown(home: &Home, arguments: &[&str]) -> Value {
    let arguments = [&["config", "show", "--json"], arguments].concat();
    home.run(&arguments).succeeds().json()
}

fn setting<'a>(shown: &'a Value, key: &str) -> &'a Value {
    let settings = shown["settings"].as_array().unwrap();
    let mut found = settings.iter().filter(|setting| setting["key"] == key);
    let setting = found.next().unwrap();
    assert_eq!(found.next(), None);
    setting
}

#[test]
fn each_setting_is_shown_with_its_value_and_where_it_came_from() {
    let home = Home::registered().with_keeper("agent");
    home.configure("idle = \"10m\"\nkeeper = \"kernel\"");
    let shown = shown(&home, &[]);
    assert_eq!(shown["schema"], 1);
    assert_eq!(shown["file_exists"], true);
    let file = home.path().join("config.toml");
    assert_eq!(shown["file"], file.to_str().unwrap());
    let row = |key: &str, value: Value, source: &str, line: Value, name: Value| {
        let expected =
            json!({"key": key, "value": value, "source": source, "line": line, "name": name});
        assert_eq!(setting(&shown, key), &expected);
    };
    let path = home.path();
    let variable = json!("NIGHTLATCH_HOME");
    row("home", json!(path), "environment", Value::Null, variable);
    row("account", json!(EMAIL), "home", Value::Null, Value::Null);
    row("idle", json!("10m"), "file", json!(1), Value::Null);
    row("max", json!("4h"), "default", Value::Null, Value::Null);
    let variable = json!("NIGHTLATCH_KEEPER");
    row(
        "keeper",
        json!("agent"),
        "environment",
        Value::Null,
        variable,
    );
    row(
        "password.memory_kib",
        json!(19456),
        "file",
        json!(4),
        Value::Null,
    );
    row("audit.syslog", json!(false), "file", json!(8), Value::Null);
    row(
        "audit.retention",
        json!("90d"),
        "default",
        Value::Null,
        Value::Null,
    );
    let other = home.run(&["config", "show", "--json", "--account", "bob@example.com"]);
    let other = other.succeeds().json();
    let account = setting(&other, "account");
    assert_eq!(account["value"], "bob@example.com");
    assert_eq!(
        (&account["source"], &account["name"]),
        (&json!("flag"), &json!("--account"))
    );
}

#[test]
fn the_secrets_of_a_command_are_shown_and_a_mistake_in_them_is_named() {
    let home = Home::registered();
    home.configure("[guard.psql]\nsecrets = { PGPASSWORD = \"prod/db\" }\n");
    let shown = shown(&home, &[]);
    let psql = setting(&shown, "guard.psql.secrets");
    assert_eq!(
        (&psql["value"], &psql["line"]),
        (&json!(["PGPASSWORD=prod/db"]), &json!(2))
    );
    home.run(&["config", "check"]).succeeds();
    home.configure("[guard.psql]\nsecrets = { PGPASSWORD = \"Tr0ub4dor=\" }\n");
    let told = home.run(&["config", "check"]).ends_with(1);
    let mistake = "line 2: guard.psql.secrets.PGPASSWORD: the name of a secret has '=' in it";
    assert!(told.stdout.contains(mistake), "{told:?}");
    assert!(!told.stdout.contains("Tr0ub4dor"), "{told:?}");
    home.run(&["exec", "--", "true"]).refuses(1, "line 2");
}

#[test]
fn settings_are_shown_where_there_is_no_file_and_no_home_and_nothing_is_made() {
    let home = Home::bare();
    let run = home.run(&["config", "show"]).succeeds();
    assert!(run.stdout.contains("(there is none)"), "{run:?}");
    let idle = run
        .stdout
        .lines()
        .find(|line| line.starts_with("idle "))
        .unwrap();
    assert_eq!(
        idle.split_whitespace().collect::<Vec<_>>(),
        ["idle", "15m", "default"]
    );
    assert!(run.stdout.contains("nobody has signed in"), "{run:?}");
    assert_eq!(shown(&home, &[])["file_exists"], false);
    let run = home.run(&["config", "check"]).succeeds();
    assert!(run.stdout.contains("there is none"), "{run:?}");
    assert!(!home.path().exists());
}

#[test]
fn a_check_tells_every_mistake_with_its_line_and_changes_nothing() {
    let home = Home::registered();
    home.run(&["config", "check"]).succeeds();
    home.configure("idel = \"5m\"\nmax = \"13h\"\nkeeper = \"disk\"");
    let before = tree(&home.path());
    let run = home.run(&["config", "check"]);
    let run = run.refuses(1, "3 mistakes");
    let file = home.path().join("config.toml");
    let file = file.display();
    let expected = format!(
        "{file}: line 1: unknown key \"idel\" (did you mean \"idle\"?)\n\
         {file}: line 2: the max limit must be from 1s to 12h, not 13h\n\
         {file}: line 3: keeper = \"disk\": it is one of auto, kernel, agent\n"
    );
    assert_eq!(run.stdout, expected);
    // The message is the same in every command.
    home.run(&["status"]).refuses(
        1,
        "line 1: unknown key \"idel\" (did you mean \"idle\"?), and 2 more",
    );
    home.run(&["config", "show"]).refuses(1, "unknown key");
    let run = home.run(&["config", "check", "--json"]).ends_with(1);
    let told = run.json();
    assert_eq!(
        (&told["ok"], &told["file_exists"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(told["problems"].as_array().unwrap().len(), 3);
    let first = json!({
        "line": 1,
        "key": "idel",
        "message": "unknown key \"idel\"",
        "suggestion": "did you mean \"idle\"?",
    });
    assert_eq!(told["problems"][0], first);
    let error: Value = serde_json::from_str(&run.stderr).unwrap();
    assert_eq!(error["error"], "config");
    assert_eq!(tree(&home.path()), before);
}

#[test]
fn another_file_can_be_checked_and_is_to_be_there() {
    let home = Home::bare();
    let file = home.outside("other.toml");
    let name = file.to_str().unwrap();
    home.run(&["config", "check", name])
        .refuses(1, "there is no");
    std::fs::write(&file, "idle = \"5m\"\n").unwrap();
    home.run(&["config", "check", name]).succeeds();
    std::fs::write(&file, "idle = \"5m").unwrap();
    let run = home.run(&["config", "check", name]).refuses(1, "1 mistake");
    assert!(run.stdout.contains("line 1: "), "{run:?}");
    std::fs::write(&file, "\"\\u001b[31m\" = 1").unwrap();
    let run = home.run(&["config", "check", name]).ends_with(1);
    assert!(run.stdout.contains("\\u{1b}[31m"), "{run:?}");
}

#[test]
fn a_file_that_others_may_write_or_that_is_none_is_told_of_with_what_to_do() {
    let home = Home::new();
    let file = home.path().join("config.toml");
    for mode in [0o622, 0o602] {
        std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
        let run = home.run(&["config", "check"]);
        let run = run.refuses(1, "others may write to it");
        assert!(run.stderr.contains("chmod go-rwx"), "{run:?}");
        let told = home.run(&["config", "check", "--json"]).ends_with(1).json();
        let message = told["problems"][0]["message"].as_str().unwrap();
        assert!(message.contains("others may write to it"), "{told}");
        home.run(&["status"]).refuses(1, "others may write to it");
    }
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    home.run(&["config", "check"])
        .refuses(1, "not a regular file");
}

fn reference() -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/config.md");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_reference_has_the_keys_that_there_are_with_their_defaults() {
    let documented: Vec<(String, String)> = reference()
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split(" | ");
            let key = cells.next()?.strip_suffix('`')?.to_owned();
            let default = cells.nth(1)?.trim_matches('`').trim_matches('"').to_owned();
            Some((key, default))
        })
        .collect();
    let shown = shown(&Home::bare(), &[]);
    let settings = shown["settings"].as_array().unwrap().iter();
    let there: Vec<(String, String)> = settings
        .filter(|setting| setting["key"] != "home" && setting["key"] != "account")
        .map(|setting| {
            let value = setting["value"].to_string();
            (
                setting["key"].as_str().unwrap().to_owned(),
                value.trim_matches('"').to_owned(),
            )
        })
        .collect();
    assert!(there.len() > 8, "{there:?}");
    assert_eq!(documented, there);
}

#[test]
fn the_example_of_the_reference_is_a_configuration_and_sets_every_key() {
    let home = Home::new();
    let document = reference();
    let example = document.split("```toml\n").nth(1).unwrap();
    let example = example.split("```").next().unwrap();
    std::fs::write(home.path().join("config.toml"), example).unwrap();
    home.run(&["config", "check"]).succeeds();
    let shown = shown(&home, &[]);
    for setting in shown["settings"].as_array().unwrap() {
        let of_the_file = !["home", "account"].contains(&setting["key"].as_str().unwrap());
        assert_eq!(setting["source"] == "file", of_the_file, "{setting}");
    }
}

#[test]
fn a_variable_that_names_no_keeper_is_told_and_not_taken_for_a_mistake_in_the_file() {
    let home = Home::new();
    let mut command = home.command(&["config", "show"]);
    command.env("NIGHTLATCH_KEEPER", "disk");
    Run::of(command).refuses(2, "NIGHTLATCH_KEEPER");
}

#[test]
fn a_new_file_has_every_key_commented_out_and_uncommented_it_is_the_defaults() {
    let home = Home::bare();
    let file = home.path().join("config.toml");
    let shown = home.run(&["config", "path"]).succeeds().stdout;
    assert_eq!(shown.trim(), file.to_str().unwrap());
    assert!(!home.path().exists(), "looking made a home");
    home.run(&["config", "init"]).succeeds();
    home.run(&["config", "init"]).refuses(3, "is there already");
    let keys = |home: &Home| {
        let shown = home.run(&["config", "show", "--json"]).succeeds().json();
        let settings = shown["settings"].as_array().unwrap().clone();
        let rows = settings
            .iter()
            .map(|row| (row["key"].clone(), row["value"].clone()));
        rows.collect::<Vec<_>>()
    };
    let commented = keys(&home);
    let text = std::fs::read_to_string(&file).unwrap();
    let set = text
        .lines()
        .skip(2)
        .filter(|line| !line.ends_with("is not set"));
    let text: Vec<_> = set.map(|line| line.trim_start_matches("# ")).collect();
    let text = text.join("\n");
    std::fs::write(&file, text).unwrap();
    home.run(&["config", "check"]).succeeds();
    assert_eq!(keys(&home), commented);
}

#[test]
fn editing_the_file_begins_one_and_checks_what_became_of_it() {
    let home = Home::bare();
    let edit = |editor: &str| {
        let mut command = home.command(&["config", "edit"]);
        command.env("EDITOR", editor);
        Run::of(command)
    };
    edit("sh -c 'echo idle = \\\"7m\\\" >\"$0\"'").succeeds();
    let shown = home.run(&["config", "show"]).succeeds().stdout;
    assert!(shown.contains("7m"), "{shown}");
    let wrong = edit("sh -c 'echo idel = 7 >\"$0\"'").ends_with(1);
    assert!(wrong.stdout.contains("unknown key"), "{wrong:#?}");
    edit("/nonexistent/editor").refuses(1, "cannot run /nonexistent/editor");
}

#[test]
fn a_configuration_that_is_a_link_to_nowhere_is_a_mistake_and_not_the_defaults() {
    let home = Home::registered();
    let (file, real) = (home.path().join("config.toml"), home.outside("strict.toml"));
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&real, format!("idle = \"2m\"\n{text}")).unwrap();
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(&real, &file).unwrap();
    home.login(&[]).succeeds();
    assert_eq!(home.status()["idle_timeout_seconds"], 120);
    std::fs::rename(&real, home.outside("elsewhere.toml")).unwrap();
    for arguments in [
        &["login", "--password-stdin"][..],
        &["-n", "exec", "--", "true"],
        &["config", "check"],
    ] {
        home.run_with_input(arguments, crate::support::PASSWORD.as_bytes())
            .refuses(1, "a symbolic link that leads nowhere");
    }
}
