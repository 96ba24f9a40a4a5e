//! The secrets and variables that a command is to be given.

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;

use nightlatch_core::memory::SecretBuffer;
use nightlatch_local::guard::{SecretBinding, SecretGiven};
use nightlatch_local::secrets::{
    formats::VariableName, formats::env_lines, formats::reference, formats::variable_value,
};

use crate::cli::args::Exec;
use crate::cli::exit::{Code, Failure};
use crate::cli::secret::sources;

/// The largest file of variables.
const FILE_LIMIT: usize = 1024 * 1024;

/// What the options add to the command's environment.
pub struct Environment {
    pub secrets: Vec<SecretBinding>,
    /// Variables that an env file has with their values.
    plain: Vec<(VariableName, SecretBuffer)>,
}

impl Environment {
    /// Sets the variables that are no secrets.
    pub fn set(&self, command: &mut Command) {
        for (variable, value) in &self.plain {
            command.env(
                variable.as_str(),
                variable_value(value.expose()).unwrap_or_default(),
            );
        }
    }
}

/// Reads the options.
///
/// # Errors
/// When a file cannot be read or has a line that is no assignment, or a variable is named twice.
pub fn environment(args: &Exec) -> Result<Environment, Failure> {
    let mut environment = Environment {
        secrets: [&args.secrets[..], &args.secret_files].concat(),
        plain: Vec::new(),
    };
    for path in &args.env_files {
        read(path, &mut environment)?;
    }
    let secrets = environment.secrets.iter().map(|binding| &binding.variable);
    let plain = environment.plain.iter().map(|(variable, _)| variable);
    let mut seen = HashSet::new();
    if let Some(twice) = secrets
        .chain(plain)
        .find(|variable| !seen.insert(*variable))
    {
        return Err(Failure::usage(format!("{twice} is given twice"))
            .hint("give each variable once".to_owned()));
    }
    Ok(environment)
}

fn read(path: &Path, environment: &mut Environment) -> Result<(), Failure> {
    let text = sources::file(path, FILE_LIMIT)?;
    let shown = path.display();
    let broken = |line: usize, what: String| {
        Failure::new(
            Code::Refused,
            "bad_file",
            format!("{shown}, line {line}: {what}"),
        )
    };
    for line in env_lines(text.expose()) {
        let line = line.map_err(|problem| broken(problem.line, problem.what))?;
        let variable = line.name.parse::<VariableName>();
        let variable = variable.map_err(|bad| broken(line.line, bad.to_string()))?;
        match reference(line.value.expose()) {
            Some(name) => {
                let name = name.map_err(|bad| broken(line.line, bad.to_string()))?;
                let binding = SecretBinding::new(name, variable, SecretGiven::Value);
                environment.secrets.push(binding);
            }
            None if variable_value(line.value.expose()).is_none() => {
                return Err(broken(
                    line.line,
                    "no variable can have this value".to_owned(),
                ));
            }
            None => environment.plain.push((variable, line.value)),
        }
    }
    Ok(())
}
