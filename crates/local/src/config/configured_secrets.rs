//! The secrets that a command gets whenever it runs.

use super::command_name::CommandName;
use crate::binding::SecretBinding;

/// The secrets that one command gets whenever it runs, by the name under which it is run. A path to
/// the same program is another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfiguredSecrets {
    /// The command.
    pub command: CommandName,
    /// Its secrets.
    pub bindings: Vec<SecretBinding>,
}
