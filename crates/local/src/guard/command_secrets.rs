//! The secrets that a guarded command gets: in variables, or as files in memory.

use std::process::Command;

use super::secrets::{keys_of, used_event};
use super::{GuardError, Home};
use crate::account::Directory;
use crate::mask::Patterns;
use crate::secrets::formats::{VariableName, variable_value};
use crate::secrets::{SecretBinding, SecretGiven, SecretName, SecretStoreError, Store};
use crate::session::Session;
use nightlatch_audit::Event;
use nightlatch_core::id::ExecId;
use nightlatch_core::memory::SecretBuffer;
use nightlatch_platform::fs::{FsError, MemoryFile};

/// The secrets of a command that may start, opened.
pub(super) struct CommandSecrets<'a> {
    found: Vec<(&'a SecretBinding, SecretBuffer)>,
}

impl<'a> CommandSecrets<'a> {
    /// Opens the database, if there is one and it is needed.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(
        home: &Home,
        wanted: &[SecretBinding],
    ) -> Result<Option<Directory>, SecretStoreError> {
        if wanted.is_empty() {
            return Ok(None);
        }
        Ok(Directory::open_existing(&home.dir)?)
    }

    /// Finds and opens all of them. Also returns the records of their use.
    ///
    /// # Errors
    /// When one is missing, damaged, or cannot be a variable's value; none is given then.
    pub fn find(
        directory: Option<&Directory>,
        session: &Session,
        exec: ExecId,
        wanted: &'a [SecretBinding],
    ) -> Result<(Self, Vec<Event>), SecretStoreError> {
        let (mut found, mut events) = (Vec::with_capacity(wanted.len()), Vec::new());
        let Some(first) = wanted.first() else {
            return Ok((Self { found }, events));
        };
        let directory = directory.ok_or_else(|| SecretStoreError::NotFound {
            name: first.name.clone(),
        })?;
        let keys = keys_of(session);
        let store = Store::of(directory, &keys);
        for binding in wanted {
            let sealed = store.locate(&binding.name, None)?;
            let value = sealed.open(&keys)?;
            let fits = variable_value(value.expose()).is_some();
            if binding.given == SecretGiven::Value && !fits {
                let name = binding.name.clone();
                return Err(SecretStoreError::NoVariable { name });
            }
            events.push(used_event(session, &keys, exec, &sealed));
            found.push((binding, value));
        }
        Ok((Self { found }, events))
    }

    /// All that are long enough, to be found in the command's output.
    pub fn patterns(&self) -> Patterns {
        let mut patterns = Patterns::default();
        for (_, value) in &self.found {
            // The others are named by `too_short_to_mask`.
            let _ = patterns.add(value.expose());
        }
        patterns
    }

    /// The names of those that cannot be masked.
    pub fn too_short_to_mask(&self) -> Vec<SecretName> {
        let is_short = |(_, value): &&(_, SecretBuffer)| !Patterns::is_long_enough(value.expose());
        let short = self.found.iter().filter(is_short);
        short.map(|(binding, _)| binding.name.clone()).collect()
    }

    /// Puts them into the command's environment, and wipes them here.
    ///
    /// # Errors
    /// When the system has no memory for a file.
    pub fn give(self, command: &mut Command) -> Result<GivenSecrets<'a>, GuardError> {
        let mut given = GivenSecrets {
            variables: Vec::with_capacity(self.found.len()),
            files: Vec::new(),
        };
        for (binding, value) in self.found {
            let variable = binding.variable.as_str();
            match binding.given {
                SecretGiven::Value => {
                    command.env(variable, variable_value(value.expose()).unwrap_or_default());
                }
                SecretGiven::File => {
                    let file = MemoryFile::with(value.expose(), false);
                    let shared = file.and_then(|file| Ok((file.share()?, file)));
                    let (path, file) =
                        shared.map_err(|error| FsError::new("make", "a file in memory", error))?;
                    command.env(variable, path);
                    given.files.push(file);
                }
            }
            given.variables.push(&binding.variable);
        }
        Ok(given)
    }
}

/// Secrets that a command was given: the copies that only its start needed.
#[must_use = "the copies stay in this process until they are taken back"]
pub(super) struct GivenSecrets<'a> {
    variables: Vec<&'a VariableName>,
    /// Open until the command has started.
    files: Vec<MemoryFile>,
}

impl GivenSecrets<'_> {
    /// Takes the values out of `command` again, which may outlive the start by hours.
    pub fn take_back(self, command: &mut Command) {
        drop(self.files);
        for variable in self.variables {
            command.env_remove(variable.as_str());
        }
    }
}
