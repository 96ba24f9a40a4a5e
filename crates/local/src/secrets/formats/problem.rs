//! What was read from a file, and what was not.

use crate::binding::SecretName;
use nightlatch_core::memory::SecretBuffer;

/// A secret that was read from a file.
pub struct ImportItem {
    /// Its name.
    pub name: SecretName,
    /// Its value.
    pub value: SecretBuffer,
    /// The line on which it begins, counted from 1.
    pub line: usize,
}

/// What could be read from a file, and what not.
#[derive(Default)]
pub struct ImportFile {
    /// What was read, in the order of the file.
    pub items: Vec<ImportItem>,
    /// What was not, in the order of the file.
    pub problems: Vec<FileProblem>,
}

/// Why a line of a file was not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct FileProblem {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

impl FileProblem {
    pub(super) fn new(line: usize, what: impl Into<String>) -> Self {
        Self {
            line,
            what: what.into(),
        }
    }
}

impl ImportFile {
    /// Adds a secret under the name, or says why there can be none of that name.
    pub(super) fn add(&mut self, line: usize, name: &str, value: SecretBuffer) {
        match name.parse::<SecretName>() {
            Ok(name) => self.items.push(ImportItem { name, value, line }),
            Err(bad) => self.problem(line, bad.to_string()),
        }
    }

    /// Says what is wrong with a value, with its name if a secret can have that.
    pub(super) fn problem_of(&mut self, line: usize, name: &str, what: &str) {
        let of = name.parse::<SecretName>().map(|name| format!(" of {name}"));
        self.problem(line, format!("the value{} {what}", of.unwrap_or_default()));
    }

    pub(super) fn problem(&mut self, line: usize, what: impl Into<String>) {
        self.problems.push(FileProblem::new(line, what));
    }
}

/// The number of the line that begins after `text`, or goes on there, counted from 1.
pub(super) fn line_after(text: &[u8]) -> usize {
    text.split(|&byte| byte == b'\n').count()
}
