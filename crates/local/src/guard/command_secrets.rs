//! The secrets that a guarded command gets: in variables, or as files in memory.

use std::process::Command;

use super::secrets::{keys_of, used_event};
use super::{GuardError, Home};
use crate::account::Directory;
use crate::secrets::formats::{VariableName, variable_value};
use crate::secrets::{Sealed, SecretBinding, SecretGiven, SecretStoreError, Store};
use crate::session::Session;
use nightlatch_audit::Event;
use nightlatch_core::id::ExecId;
use nightlatch_core::memory::SecretBuffer;
use nightlatch_platform::fs::{FsError, MemoryFile};

/// The secrets of a command that may start, opened.
pub(super) struct CommandSecrets<'a> {
    found: Vec<(&'a SecretBinding, Sealed, SecretBuffer)>,
}

impl<'a> CommandSecrets<'a> {
    /// Finds and opens all of them.
    ///
    /// # Errors
    /// When one is missing, damaged, or cannot be a variable's value; none is given then.
    pub fn find(
        home: &Home,
        session: &Session,
        wanted: &'a [SecretBinding],
    ) -> Result<Self, SecretStoreError> {
        let mut found = Vec::with_capacity(wanted.len());
        let Some(first) = wanted.first() else {
            return Ok(Self { found });
        };
        let keys = keys_of(session);
        let directory = Directory::open_existing(&home.dir)?;
        let directory = directory.ok_or_else(|| SecretStoreError::NotFound {
            name: first.name.clone(),
        })?;
        let store = Store::of(&directory, &keys);
        for binding in wanted {
            let sealed = store.locate(&binding.name, None)?;
            let value = sealed.open(&keys)?;
            let fits = variable_value(value.expose()).is_some();
            if binding.given == SecretGiven::Value && !fits {
                let name = binding.name.clone();
                return Err(SecretStoreError::NoVariable { name });
            }
            found.push((binding, sealed, value));
        }
        Ok(Self { found })
    }

    /// The records of their use.
    pub fn events(&self, session: &Session, exec: ExecId) -> Vec<Event> {
        if self.found.is_empty() {
            return Vec::new();
        }
        let keys = keys_of(session);
        let event = |(_, sealed, _): &(_, Sealed, _)| used_event(session, &keys, exec, sealed);
        self.found.iter().map(event).collect()
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
        for (binding, _, value) in self.found {
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
