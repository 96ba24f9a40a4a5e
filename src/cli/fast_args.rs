//! Parses without clap the command lines that scripts, prompts and wrappers run all day: building
//! clap's description of every command takes longer than all the rest of `status --check`. Only
//! simple forms are parsed here, with the same result as in clap; everything else is left to clap.

use std::ffi::OsString;

use super::args::{
    Cli, Command, Exec, Global, Secret, SecretCommand, SecretGet, Status, in_variable, secret_name,
};

/// Global options without a value, such as `-q` or `--quiet`.
const GLOBAL: [(&str, &str); 3] = [
    ("--json", "--json"),
    ("-q", "--quiet"),
    ("-n", "--non-interactive"),
];

/// The option of `exec` that has a value.
const SECRET: &str = "--secret";

/// Parses the command line if it has a simple form: `status`, `extend`, `whoami`, `exec` or `secret
/// get`, with options without values, each at most once, and secrets for `exec`.
pub fn parse(arguments: &[OsString]) -> Option<Cli> {
    let mut rest = arguments.get(1..)?;
    let mut given = Vec::new();
    take_options(&mut rest, &[], &mut given)?;
    let name = rest.split_off_first()?.to_str()?;
    let own: &[&str] = match name {
        "status" => &["--check", "--prompt"],
        "exec" | "run" => &["--no-extend"],
        "extend" | "whoami" => &[],
        "secret" if rest.split_off_first()? == "get" => &[],
        _ => return None,
    };
    take_options(&mut rest, own, &mut given)?;
    let mut secrets = Vec::new();
    while matches!(name, "exec" | "run") && rest.first().is_some_and(|word| word == SECRET) {
        let [_, secret, behind @ ..] = rest else {
            return None;
        };
        // Leave what is no name, such as another option, to clap.
        secrets.push(in_variable(secret.to_str()?).ok()?);
        rest = behind;
        take_options(&mut rest, own, &mut given)?;
    }
    let has = |option| given.contains(&option);
    let command = match name {
        "secret" => {
            let [name] = rest else { return None };
            let command = SecretCommand::Get(SecretGet {
                name: secret_name(name.to_str()?).ok()?,
                version: None,
                copy: false,
                clear_after: None,
            });
            Command::Secret(Box::new(Secret { command }))
        }
        "exec" | "run" => {
            // Leave further `--` to clap.
            if rest.first().is_some_and(|word| word == "--") {
                rest = &rest[1..];
            }
            if rest.is_empty() || rest.iter().any(|word| word == "--") {
                return None;
            }
            Command::Exec(Exec {
                no_extend: has("--no-extend"),
                secrets,
                command: rest.to_vec(),
                ..Exec::default()
            })
        }
        _ if !rest.is_empty() => return None,
        "status" if has("--check") && has("--prompt") => return None,
        "status" => Command::Status(Status {
            check: has("--check"),
            prompt: has("--prompt"),
            ..Status::default()
        }),
        "extend" => Command::Extend,
        _ => Command::Whoami,
    };
    let global = Global {
        json: has("--json"),
        quiet: has("--quiet"),
        non_interactive: has("--non-interactive"),
        ..Global::default()
    };
    Some(Cli {
        global,
        command: Some(command),
        exit_codes: false,
    })
}

/// Moves the leading options of `rest` to `given`, by their long names, up to `--secret`; `None` if
/// an option is unknown here or occurs twice.
fn take_options(
    rest: &mut &[OsString],
    own: &[&'static str],
    given: &mut Vec<&'static str>,
) -> Option<()> {
    while let Some((word, behind)) = rest.split_first()
        && word.as_encoded_bytes().starts_with(b"-")
        && word != "--"
        && word != SECRET
    {
        let global = GLOBAL
            .iter()
            .find(|(short, long)| word == short || word == long);
        let option = global
            .map(|&(_, long)| long)
            .or_else(|| own.iter().copied().find(|option| word == option))?;
        if given.contains(&option) {
            return None;
        }
        given.push(option);
        *rest = behind;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use proptest::prelude::*;

    use super::*;

    const COMMANDS: [&str; 8] = [
        "status",
        "extend",
        "whoami",
        "exec",
        "run",
        "login",
        "secret",
        "secret get",
    ];
    const OPTIONS: [&str; 17] = [
        "--check",
        "--prompt",
        "--no-extend",
        "--json",
        "-q",
        "--quiet",
        "-n",
        "--non-interactive",
        "--home",
        "--help",
        "--version",
        "-v",
        "-nq",
        "--json=1",
        "--secret",
        "--secret prod/db",
        "--secret db=VAR",
    ];
    const WORDS: [&str; 12] = [
        "--", "-", "ls", "-x", "", "status", "--json", "-n", "--check", "get", "a=b", "--secret",
    ];

    fn line(words: &[&str]) -> Vec<OsString> {
        std::iter::once(&"nightlatch")
            .chain(words)
            .map(OsString::from)
            .collect()
    }

    fn is_plain(words: &[&str]) -> bool {
        parse(&line(words)).is_some()
    }

    #[test]
    fn what_is_repeated_all_day_is_plain() {
        for words in [
            &["status", "--check"][..],
            &["status", "--prompt"],
            &["-n", "status", "--json"],
            &["extend", "-q"],
            &["exec", "--", "psql", "-n", "--json"],
            &["exec", "psql", "-c", "select 1"],
            &["run", "-n", "--no-extend", "--", "true"],
            &["exec", "--secret", "db", "-q", "--secret", "a=B", "psql"],
            &["secret", "get", "prod/db"],
            &["secret", "get", "-q", "prod/db"],
        ] {
            assert!(is_plain(words), "{words:?}");
        }
        assert!(!is_plain(&["status", "--check", "--prompt"]));
        assert!(!is_plain(&["--home", "/x", "status"]));
        assert!(!is_plain(&["login"]));
        assert!(!is_plain(&["exec", "--secret"]));
        assert!(!is_plain(&["exec", "--secret", "--", "true"]));
        assert!(!is_plain(&["secret", "get", "--copy", "db"]));
    }

    /// The names of the secrets, which the debug form does not show.
    fn secrets_in(cli: &Cli) -> Vec<&str> {
        match &cli.command {
            Some(Command::Exec(exec)) => exec.secrets.iter().map(|it| it.name.as_str()).collect(),
            Some(Command::Secret(secret)) => match &secret.command {
                SecretCommand::Get(get) => vec![get.name.as_str()],
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    #[test]
    fn secrets_are_those_that_were_named() {
        let names = |words: &[&str]| -> Vec<String> {
            let cli = parse(&line(words));
            let names = cli.iter().flat_map(secrets_in);
            names.map(str::to_owned).collect()
        };
        let exec = names(&["exec", "--secret", "a=X", "-q", "--secret", "b", "ls"]);
        assert_eq!(exec, ["a", "b"]);
        assert_eq!(names(&["secret", "get", "prod/db"]), ["prod/db"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn what_is_read_without_clap_is_read_as_clap_reads_it(
            before in prop::collection::vec(prop::sample::select(&OPTIONS[3..]), 0..2),
            command in prop::sample::select(&COMMANDS[..]),
            options in prop::collection::vec(prop::sample::select(&OPTIONS[..]), 0..3),
            behind in prop::collection::vec(prop::sample::select(&WORDS[..]), 0..4),
        ) {
            let words = [before, vec![command], options, behind].concat();
            // Some of them are two words.
            let words: Vec<_> = words.iter().flat_map(|word| word.split(' ')).collect();
            let line = line(&words);
            if let Some(plain) = parse(&line) {
                let by_clap = Cli::try_parse_from(&line);
                if let Ok(by_clap) = &by_clap {
                    prop_assert_eq!(secrets_in(&plain), secrets_in(by_clap));
                }
                prop_assert_eq!(format!("{:?}", Ok::<_, clap::Error>(plain)), format!("{by_clap:?}"));
            }
        }
    }
}
