//! Names of environment variables.

use std::ffi::OsStr;
use std::fmt;
use std::str::FromStr;

/// The variables that the guard sets for a command: its session, account, the session's end, and its
/// run. The processes of a run are found by the last one.
pub(crate) const SET_BY_THE_GUARD: [&str; 4] = [
    "NIGHTLATCH_SESSION_ID",
    "NIGHTLATCH_ACCOUNT",
    "NIGHTLATCH_SESSION_EXPIRES_AT",
    "NIGHTLATCH_EXEC_ID",
];

/// The name of an environment variable that a command may be given. Every shell takes it: letters,
/// digits and `_`, not a digit first. It is none of those that the guard sets itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VariableName(String);

/// Why no command may be given a variable of this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadVariable {
    /// Not every shell takes the name.
    #[error("a variable has a name of letters, digits and _, and does not begin with a digit")]
    Malformed,
    /// The guard sets this variable, and finds the processes of a command by it.
    #[error("nightlatch itself sets {0}")]
    SetByTheGuard(&'static str),
}

impl VariableName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for VariableName {
    type Err = BadVariable;

    fn from_str(text: &str) -> Result<Self, BadVariable> {
        if !is_variable(text) {
            return Err(BadVariable::Malformed);
        }
        // Windows ignores the case of variables.
        match SET_BY_THE_GUARD
            .into_iter()
            .find(|set| set.eq_ignore_ascii_case(text))
        {
            Some(set) => Err(BadVariable::SetByTheGuard(set)),
            None => Ok(Self(text.to_owned())),
        }
    }
}

/// Whether every shell takes `text` as the name of a variable.
pub(crate) fn is_variable(text: &str) -> bool {
    let mut bytes = text.bytes();
    let is_first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    bytes.next().is_some_and(is_first) && bytes.all(|byte| is_first(byte) || byte.is_ascii_digit())
}

impl fmt::Display for VariableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The bytes as the value of an environment variable; `None` if no variable can have it.
pub fn variable_value(bytes: &[u8]) -> Option<&OsStr> {
    if bytes.contains(&0) {
        return None;
    }
    #[cfg(unix)]
    let value = Some(std::os::unix::ffi::OsStrExt::from_bytes(bytes));
    #[cfg(windows)]
    let value = std::str::from_utf8(bytes).ok().map(OsStr::new);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_name_that_no_shell_takes_is_refused() {
        for name in ["", "1A", "A-B", "A B", "A=B", "ä", "A\0", "A\n"] {
            let bad = Err(BadVariable::Malformed);
            assert_eq!(name.parse::<VariableName>(), bad, "{name:?}");
        }
        for name in ["A", "_", "a1_B", "NIGHTLATCH_JWT_SECRET"] {
            assert!(name.parse::<VariableName>().is_ok(), "{name:?}");
        }
    }

    #[test]
    fn a_variable_that_the_guard_sets_is_refused_in_any_case() {
        for set in SET_BY_THE_GUARD {
            let bad = Err(BadVariable::SetByTheGuard(set));
            assert_eq!(set.parse::<VariableName>(), bad);
            assert_eq!(set.to_lowercase().parse::<VariableName>(), bad);
        }
    }
}
