//! Whether the file system erases sealing keys that the log no longer needs.

use std::path::Path;

use nightlatch_platform::fs::{Erasure, Kept, Storage, Unsure, shell_word, storage};

use super::environment::Environment;
use super::finding::Finding;

/// What remains on the disk when `seal/state` is overwritten.
pub fn seal(case: &Environment) -> Vec<Finding> {
    let Some(home) = case.home() else {
        return Vec::new();
    };
    let seal = home.join("seal");
    let found = match storage(&seal) {
        Some(storage) => Some(told(&storage, &seal)),
        // The directory does not exist before the log.
        None => storage(home).map(|storage| before(&storage, &seal)),
    };
    found.into_iter().collect()
}

/// The expected result for a directory that will be created with the log.
fn before(storage: &Storage, seal: &Path) -> Finding {
    if storage.file_system == "btrfs" {
        let found = "btrfs: copy-on-write is switched off for sealing keys when the log begins";
        return Finding::ok("seal", found);
    }
    told(storage, seal)
}

fn told(storage: &Storage, seal: &Path) -> Finding {
    const CHECK: &str = "seal";
    let name = &storage.file_system;
    let unknown = |why: &str| {
        let found = format!("{name} {why}: whether old sealing keys are erased cannot be told");
        Finding::warn(CHECK, found).advice(elsewhere())
    };
    match storage.erasure {
        Erasure::InPlace if storage.is_in_memory() => Finding::ok(
            CHECK,
            format!("{name} is in memory: old sealing keys are erased"),
        ),
        Erasure::InPlace => Finding::ok(
            CHECK,
            format!("{name} overwrites in place: old sealing keys are erased"),
        ),
        Erasure::Kept(Kept::CopyOnWrite) if name == "btrfs" => {
            let found = format!(
                "{name} copies on write: old sealing keys stay on the disk, where root could find them and rewrite the log"
            );
            let word = |ending: &str| shell_word(&format!("{}{ending}", seal.to_string_lossy()));
            let (seal, new) = (word(""), word(".new"));
            Finding::warn(CHECK, found).advice(format!(
                "switch that off: mkdir -m 700 -- {new} && chattr +C -- {new} && cp -p -- {seal}/* {new} && rm -r -- {seal} && mv -- {new} {seal}"
            ))
        }
        Erasure::Kept(Kept::CopyOnWrite) => kept(&format!("{name} copies on write")),
        Erasure::Kept(Kept::LogStructured) => {
            kept(&format!("{name} writes every version to a new place"))
        }
        Erasure::Kept(Kept::DataJournal) => {
            let found = format!("{name} with data=journal keeps overwritten keys in its journal");
            Finding::warn(CHECK, found).advice(
                "mount it with data=ordered and take chattr +j off the home; or use another file system"
                    .to_owned(),
            )
        }
        Erasure::Unknown(Unsure::Remote) => unknown("stores on another machine"),
        Erasure::Unknown(Unsure::Program) => unknown("is a program"),
        Erasure::Unknown(Unsure::Layer) => unknown("stores on a file system below"),
        _ => unknown("is not known here"),
    }
}

fn kept(why: &str) -> Finding {
    let found = format!(
        "{why}: old sealing keys stay on the disk, where root could find them and rewrite the log"
    );
    Finding::warn("seal", found).advice(elsewhere())
}

fn elsewhere() -> String {
    "use ext4 or XFS on a local disk: --home DIR or NIGHTLATCH_HOME; or send anchors to another machine".to_owned()
}
