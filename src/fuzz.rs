//! The properties that the fuzz targets in `fuzz/` check, one function each; those of the audit log
//! are in its crate. The test suite runs
//! the same functions on the committed corpora and on random changes to them, so that checking them
//! needs no other toolchain. Each returns whether the input was accepted.

macro_rules! targets {
    ($($(#[$doc:meta])* $name:ident => $property:path;)*) => {
        $($(#[$doc])* pub fn $name(bytes: &[u8]) -> bool {
            $property(bytes)
        })*

        #[cfg(test)]
        const TARGETS: &[(&str, fn(&[u8]) -> bool)] = &[$((stringify!($name), $name)),*];
    };
}

targets! {
    /// A session file, and the claims sealed in one.
    session_file => nightlatch_local::session::properties::session_file;
    /// The keeper's payload, and the judgement of it.
    keeper_payload => nightlatch_local::session::properties::keeper_payload;
    /// A request to the agent, or its response.
    agent_protocol => nightlatch_local::session::properties::agent_protocol;
    /// A configuration file.
    config => nightlatch_local::config::properties::config;
    /// A lease, and the process status that belongs to it.
    lease => nightlatch_local::guard::properties::lease;
    /// Secrets, a stream with them, and its chunks, for masking.
    masker => nightlatch_local::mask::properties::masking;
    /// An email and a name.
    email => nightlatch_local::account::properties::email;
    /// A file of secrets to import.
    secret_import => nightlatch_local::secrets::formats::properties::secret_import;
    /// A template with references to secrets.
    secret_template => nightlatch_local::secrets::formats::properties::secret_template;
    /// A time.
    timestamp => nightlatch_core::clock::properties::timestamp;
}

#[cfg(test)]
#[path = "../crates/audit/fuzz/corpora.rs"]
mod corpora;

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    fn fuzz() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
    }

    #[test]
    fn targets_corpora_and_properties_are_the_same_ones() {
        corpora::are_the_same_ones(&fuzz(), "nightlatch::fuzz", TARGETS);
    }

    #[test]
    fn every_file_of_the_corpora_has_its_property_and_some_are_accepted_and_some_refused() {
        corpora::have_their_property(&fuzz(), TARGETS);
    }

    #[test]
    fn every_truncation_and_every_flipped_byte_of_the_corpora_has_its_property() {
        corpora::have_it_cut_and_flipped(&fuzz(), TARGETS);
    }

    #[test]
    fn whatever_the_bytes_every_target_has_its_property() {
        corpora::have_it_changed(&fuzz(), TARGETS);
    }
}
