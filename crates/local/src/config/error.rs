//! Errors in the configuration.

use std::fmt;
use std::path::PathBuf;

use nightlatch_platform::fs::FsError;

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It cannot be read, or other users may write to it.
    #[error(transparent)]
    File(#[from] FsError),
    /// It is invalid: a syntax error, an unknown key, a value out of range.
    #[error("{path}: {}", first_of(.problems), path = .path.display())]
    Invalid {
        /// The configuration file.
        path: PathBuf,
        /// All problems in the order of their lines; never empty.
        problems: Vec<ConfigProblem>,
    },
}

/// The first problem, and the number of others.
fn first_of(problems: &[ConfigProblem]) -> String {
    match problems {
        [] => String::new(),
        [only] => only.to_string(),
        [first, more @ ..] => format!("{first}, and {} more", more.len()),
    }
}

/// One problem in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigProblem {
    /// Its line, counted from 1, if it is on one.
    pub line: Option<usize>,
    /// The affected key, with its section: `password.passes`.
    pub key: Option<String>,
    /// What is wrong.
    pub what: String,
    /// A suggested replacement, if there is one.
    pub suggestion: Option<String>,
}

impl ConfigProblem {
    /// A problem with the file as a whole.
    pub(crate) fn general(what: impl Into<String>) -> Self {
        Self {
            line: None,
            key: None,
            what: what.into(),
            suggestion: None,
        }
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        f.write_str(&self.what)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, " ({suggestion})"),
            None => Ok(()),
        }
    }
}
