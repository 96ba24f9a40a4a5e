//! Names of secrets on the command line, and the variables that they go into.

use nightlatch_local::guard::{SecretBinding, SecretGiven};
use nightlatch_local::secrets::{BadSecretName, SecretName};
use nightlatch_local::secrets::{formats::BadVariable, formats::VariableName};

use super::bad_value::BadValue;

/// `NAME[=VAR]`. Without a variable, the last part of the name is one, in capitals.
pub fn in_variable(text: &str) -> Result<SecretBinding, BadValue> {
    let (name, variable) = if let Some((name, variable)) = text.split_once('=') {
        (name, variable.to_owned())
    } else {
        let last = text.rsplit('/').next().unwrap_or_default();
        (text, last.to_uppercase().replace(['-', '.', ' '], "_"))
    };
    binding(name, &variable, SecretGiven::Value)
}

/// `NAME=VAR`
pub fn in_file(text: &str) -> Result<SecretBinding, BadValue> {
    let (name, variable) = text.split_once('=').ok_or_else(|| BadValue {
        message: "the variable for the path is missing".to_owned(),
        hint: Some("write NAME=VAR"),
    })?;
    binding(name, variable, SecretGiven::File)
}

fn binding(name: &str, variable: &str, given: SecretGiven) -> Result<SecretBinding, BadValue> {
    let name = secret_name(name)?;
    let variable = variable.parse::<VariableName>();
    let variable = variable.map_err(|bad: BadVariable| BadValue {
        message: bad.to_string(),
        hint: Some(match bad {
            BadVariable::SetByTheGuard(_) => "choose another variable: NAME=VAR",
            _ => "write NAME=VAR",
        }),
    })?;
    Ok(SecretBinding::new(name, variable, given))
}

/// A name on the command line. It is not repeated in the message: people paste values.
pub fn secret_name(text: &str) -> Result<SecretName, BadValue> {
    text.parse().map_err(|bad: BadSecretName| BadValue {
        message: bad.to_string(),
        hint: Some("a name has up to 200 characters, such as prod/db"),
    })
}
