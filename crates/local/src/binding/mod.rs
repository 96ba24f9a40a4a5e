//! Which secret a command gets, and how: by its name, in a variable.

mod name;
mod variable;

pub use name::{BadSecretName, NAME_MAX_CHARS, SecretName};
pub use variable::{BadVariable, VariableName, variable_value};
pub(crate) use variable::{SET_BY_THE_GUARD, is_variable};

/// A secret for a guarded command.
///
/// ```
/// use nightlatch_local::secrets::{SecretBinding, SecretGiven};
///
/// // psql finds the value of prod/db in PGPASSWORD.
/// let password =
///     SecretBinding::new("prod/db".parse()?, "PGPASSWORD".parse()?, SecretGiven::Value);
/// assert_eq!(password.name.as_str(), "prod/db");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SecretBinding {
    /// The secret.
    pub name: SecretName,
    /// The variable that the command finds it by.
    pub variable: VariableName,
    /// What the variable holds.
    pub given: SecretGiven,
}

impl SecretBinding {
    /// Gives the command the secret `name` in `variable`, or where `given` says.
    pub fn new(name: SecretName, variable: VariableName, given: SecretGiven) -> Self {
        Self {
            name,
            variable,
            given,
        }
    }
}

/// How a guarded command gets a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretGiven {
    /// The variable has the value. Every process that the command starts gets it too.
    Value,
    /// The variable has the path of a file in memory that has the value. Linux only.
    File,
}
