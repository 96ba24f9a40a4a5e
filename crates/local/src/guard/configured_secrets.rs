//! The secrets that the configuration has for a command, beside those that its caller gives it.

use std::ffi::OsStr;
use std::process::Command;

use super::Guard;
use crate::secrets::SecretBinding;

impl Guard {
    /// The secrets that the configuration has for a program of this name.
    pub fn configured_secrets<'a>(
        &'a self,
        program: &'a OsStr,
    ) -> impl Iterator<Item = &'a SecretBinding> {
        let all = self.configured_secrets.iter();
        all.filter(move |entry| program == entry.command.as_str())
            .flat_map(|entry| &entry.bindings)
    }

    /// `secrets`, and the configured ones for variables that neither `secrets` nor `command` sets.
    pub(super) fn with_configured_secrets(
        &self,
        command: &Command,
        secrets: &[SecretBinding],
    ) -> Vec<SecretBinding> {
        let mut all = secrets.to_vec();
        for binding in self.configured_secrets(command.get_program()) {
            let is_same = |other: &SecretBinding| other.variable == binding.variable;
            let is_set = |(name, value): (&OsStr, Option<&OsStr>)| {
                value.is_some() && name == binding.variable.as_str()
            };
            if !all.iter().any(is_same) && !command.get_envs().any(is_set) {
                all.push(binding.clone());
            }
        }
        all
    }
}
