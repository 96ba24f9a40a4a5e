//! Limits on locked memory and core dumps on Windows, where they are not checked yet.

use super::environment::Environment;
use super::finding::Finding;

/// Reports that nothing is kept out of swap.
pub fn memory(_: &Environment) -> Vec<Finding> {
    let found =
        "secrets are wiped, but not locked in memory on this platform yet: they may be swapped out";
    vec![Finding::warn("memory", found)]
}

/// Reports that this is unknown.
pub fn cores(_: &Environment) -> Vec<Finding> {
    let found =
        "whether this process may leave a dump of its memory is not looked at on this platform";
    vec![Finding::warn("cores", found)]
}
