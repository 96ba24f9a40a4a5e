#![allow(clippy::panic)]

use clap::CommandFactory;

use super::*;

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

/// Every command, with its full name.
fn commands() -> Vec<(String, clap::Command)> {
    fn gather(command: &clap::Command, name: &str, all: &mut Vec<(String, clap::Command)>) {
        all.push((name.to_owned(), command.clone()));
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
            gather(sub, &format!("{name} {}", sub.get_name()), all);
        }
    }
    let mut all = Vec::new();
    gather(&Cli::command(), "nightlatch", &mut all);
    all
}

#[test]
fn the_help_of_every_command_has_examples_of_it() {
    assert!(commands().len() > 10);
    for (name, mut command) in commands() {
        let help = command.render_long_help().to_string();
        let (_, examples) = help.split_once("\nExample").unwrap_or_default();
        let call = name.replace(" list", "");
        // The example of the program itself is on the line of the heading.
        let shown = examples.lines().any(|line| {
            line.starts_with([' ', ':'])
                && (line.contains(&call) || line.contains("nightlatch lock"))
        });
        assert!(shown, "no example in the help of {name}: {help}");
    }
}

#[test]
fn every_option_and_argument_says_what_it_is_for() {
    for (name, command) in commands() {
        assert!(command.get_about().is_some(), "{name}");
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{name}: {argument}");
        }
    }
}

#[test]
fn options_behind_the_guarded_command_are_the_commands_own() {
    let cli = Cli::try_parse_from(["nightlatch", "exec", "ls", "--json", "-n"]);
    let Ok(Cli {
        global,
        command: Some(Command::Exec(exec)),
        ..
    }) = cli
    else {
        panic!("{cli:?}")
    };
    assert!(!global.json && !global.non_interactive);
    assert_eq!(exec.command, ["ls", "--json", "-n"]);
}

#[test]
fn audit_alone_is_audit_list() {
    for line in [
        &["nightlatch", "audit", "--failed"][..],
        &["nightlatch", "audit", "list", "--failed"],
    ] {
        let cli = Cli::try_parse_from(line);
        let Ok(Cli {
            command: Some(Command::Audit(audit)),
            ..
        }) = cli
        else {
            panic!("{cli:?}")
        };
        let list = match audit.command {
            Some(AuditCommand::List(list)) => list,
            Some(other) => panic!("{other:?}"),
            None => audit.list,
        };
        assert!(list.filters.failed);
    }
}
