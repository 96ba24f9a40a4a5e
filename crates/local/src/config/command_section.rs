//! The sections `[guard.NAME]`: the secrets that a command gets whenever it runs.

use nightlatch_core::suggestion::nearest;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::command_name::BadCommandName;
use super::configured_secrets::ConfiguredSecrets;
use crate::binding::{SecretBinding, SecretGiven, SecretName, VariableName};

/// The keys of such a section, and how each gives a secret.
pub(super) const KEYS: [(&str, SecretGiven); 2] = [
    ("secrets", SecretGiven::Value),
    ("secret_files", SecretGiven::File),
];

/// A section as far as it can be read.
pub(super) struct Section<'a> {
    pub(super) secrets: ConfiguredSecrets,
    /// Each key or variable that it sets, its name in the section, and what is wrong with it.
    pub(super) keys: Vec<(&'a Spanned<DeString<'a>>, String, Verdict)>,
}

/// A mistake that follows the name of its key, and perhaps a suggestion. Repeats no value: people
/// paste secrets where their names belong.
type Verdict = Result<(), (String, Option<String>)>;

/// Reads the section of the command `name`.
///
/// # Errors
/// When no command has this name.
pub(super) fn read<'a>(name: &str, table: &'a DeTable<'a>) -> Result<Section<'a>, BadCommandName> {
    let mut section = Section {
        secrets: ConfiguredSecrets {
            command: name.parse()?,
            bindings: Vec::new(),
        },
        keys: Vec::new(),
    };
    for (key, value) in table {
        let own = key.get_ref().to_string();
        let Some((_, given)) = KEYS.iter().find(|(known, _)| *known == own) else {
            let known = KEYS.map(|(known, _)| known);
            let suggestion = match nearest(&own, known.into_iter()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("under the name of a command are: {}", known.join(", ")),
            };
            let wrong = Err((" is an unknown key".to_owned(), Some(suggestion)));
            section.keys.push((key, own, wrong));
            continue;
        };
        let DeValue::Table(bindings) = value.get_ref() else {
            let example = "write { PGPASSWORD = \"prod/db\" }".to_owned();
            let wrong = ": it is a table of variables and the names of their secrets".to_owned();
            section.keys.push((key, own, Err((wrong, Some(example)))));
            continue;
        };
        for (variable, name) in bindings {
            if let Err(wrong) = section.add(variable.get_ref(), name.get_ref(), *given) {
                let of_variable = format!("{own}.{}", variable.get_ref());
                section.keys.push((variable, of_variable, Err(wrong)));
            }
        }
        section.keys.push((key, own, Ok(())));
    }
    Ok(section)
}

impl Section<'_> {
    fn add(&mut self, variable: &str, name: &DeValue<'_>, given: SecretGiven) -> Verdict {
        let variable: VariableName = variable.parse().map_err(|bad| (format!(": {bad}"), None))?;
        let name = name.as_str().ok_or_else(|| {
            let example = "write \"prod/db\"".to_owned();
            (": it is the name of a secret".to_owned(), Some(example))
        })?;
        let name: SecretName = name.parse().map_err(|bad| (format!(": {bad}"), None))?;
        let bindings = &mut self.secrets.bindings;
        if bindings.iter().any(|other| other.variable == variable) {
            return Err((": the variable is set twice".to_owned(), None));
        }
        bindings.push(SecretBinding {
            name,
            variable,
            given,
        });
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::config::Config;

    #[test]
    fn a_command_section_gives_secrets_in_variables_and_as_files() {
        let config = Config::parse(
            b"[guard]\ncommands = [\"psql\"]\n[guard.psql]\nsecrets = { PGPASSWORD = \"prod/db\" }\n\
              secret_files.PGPASSFILE = \"prod/pgpass\"\n[guard.\"docker.io\".secrets]\nTOKEN = \"hub\"",
        )
        .unwrap();
        let mut told: Vec<_> = config
            .secrets
            .iter()
            .flat_map(|entry| entry.bindings.iter().map(move |one| (&entry.command, one)))
            .map(|(command, one)| {
                format!("{command} {:?} {}={}", one.given, one.variable, one.name)
            })
            .collect();
        told.sort();
        assert_eq!(
            told,
            [
                "docker.io Value TOKEN=hub",
                "psql File PGPASSFILE=prod/pgpass",
                "psql Value PGPASSWORD=prod/db",
            ]
        );
    }

    #[test]
    fn a_mistake_in_a_command_section_is_named_without_repeating_a_value() {
        for (content, told) in [
            (
                "secret = { A = \"b\" }",
                "line 2: guard.psql.secret is an unknown key (did you mean \"secrets\"?)",
            ),
            (
                "on_end = \"warn\"",
                "line 2: guard.psql.on_end is an unknown key (under the name of a command are: secrets, secret_files)",
            ),
            (
                "secrets = \"hunter2\"",
                "line 2: guard.psql.secrets: it is a table of variables and the names of their secrets (write { PGPASSWORD = \"prod/db\" })",
            ),
            (
                "secrets = { PGPASSWORD = 3 }",
                "line 2: guard.psql.secrets.PGPASSWORD: it is the name of a secret (write \"prod/db\")",
            ),
            (
                "secrets = { PGPASSWORD = \"hunter2=\" }",
                "line 2: guard.psql.secrets.PGPASSWORD: the name of a secret has '=' in it",
            ),
            (
                "secrets = { 1PG = \"prod/db\" }",
                "line 2: guard.psql.secrets.1PG: a variable has a name of letters, digits and _, and does not begin with a digit",
            ),
            (
                "secrets.A = \"a\"\nsecret_files.A = \"b\"",
                "line 2: guard.psql.secrets.A: the variable is set twice",
            ),
        ] {
            let problems = Config::parse(format!("[guard.psql]\n{content}").as_bytes());
            let problems = problems.unwrap_err();
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert_eq!(problems[0].to_string(), told);
        }
        for (content, told) in [
            ("[guard.cd]\nsecrets = {}", "means something to a shell"),
            ("[guard.\"/bin/ls\"]", "is no plain program name"),
            ("[guard.commands]", "it is a list of names"),
        ] {
            let problems = Config::parse(content.as_bytes()).unwrap_err();
            assert!(problems[0].to_string().contains(told), "{problems:?}");
        }
    }
}
