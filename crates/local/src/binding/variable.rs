//! Names of environment variables.

use std::ffi::OsStr;
use std::fmt;
use std::str::FromStr;

/// The name of an environment variable that every shell takes: letters, digits and `_`, not a digit
/// first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VariableName(String);

/// The text is not the name of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a variable has a name of letters, digits and _, and does not begin with a digit")]
pub struct BadVariable;

impl VariableName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for VariableName {
    type Err = BadVariable;

    fn from_str(text: &str) -> Result<Self, BadVariable> {
        let mut bytes = text.bytes();
        let is_first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
        if bytes.next().is_some_and(is_first)
            && bytes.all(|byte| is_first(byte) || byte.is_ascii_digit())
        {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadVariable)
        }
    }
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
            assert_eq!(name.parse::<VariableName>(), Err(BadVariable), "{name:?}");
        }
        for name in ["A", "_", "a1_B"] {
            assert!(name.parse::<VariableName>().is_ok(), "{name:?}");
        }
    }
}
