//! Checks the properties of the fuzz targets in `fuzz/`, whatever the bytes.

use super::properties::{audit_anchor, audit_directory, audit_line, seal_parts, seal_state};
use corpora::Target;

const TARGETS: &[Target] = &[
    ("audit_line", audit_line),
    ("seal_parts", seal_parts),
    ("seal_state", seal_state),
    ("audit_anchor", audit_anchor),
    ("audit_directory", audit_directory),
];

#[path = "../fuzz/corpora.rs"]
mod corpora;

mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    fn fuzz() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
    }

    #[test]
    fn targets_corpora_and_properties_are_the_same_ones() {
        corpora::are_the_same_ones(&fuzz(), "nightlatch_audit::properties", TARGETS);
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
