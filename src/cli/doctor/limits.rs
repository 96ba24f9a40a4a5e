//! Limits on locked memory and core dumps.

use rustix::process::{Resource, getrlimit};

use super::environment::{Environment, read_small};
use super::finding::Finding;
use crate::cli::progress::size;

/// Enough locked memory for the secrets of a sign-in, with a margin.
const LOCKED: u64 = 64 * 1024;

/// Whether secrets can be kept out of swap.
pub fn memory(_: &Environment) -> Vec<Finding> {
    const CHECK: &str = "memory";
    vec![match getrlimit(Resource::Memlock).current {
        None => Finding::ok(CHECK, "any amount may be locked"),
        Some(limit) if limit >= LOCKED => {
            Finding::ok(CHECK, format!("{} may be locked", size(limit)))
        }
        Some(limit) => Finding::warn(
            CHECK,
            format!(
                "only {} may be locked, so secrets may be swapped out",
                size(limit)
            ),
        )
        .advice(format!(
            "raise it to {} or more: ulimit -l, or memlock in limits.conf",
            size(LOCKED)
        )),
    }]
}

/// Whether this process may write its memory to a core dump.
pub fn cores(_: &Environment) -> Vec<Finding> {
    const CHECK: &str = "cores";
    let is_limited = getrlimit(Resource::Core).current == Some(0);
    if is_dumpable() && !is_limited {
        let found = "this process may leave a core dump, with what is in its memory";
        return vec![
            Finding::fail(CHECK, found).advice("set the limit yourself: ulimit -c 0".to_owned()),
        ];
    }
    let pattern = read_small("/proc/sys/kernel/core_pattern");
    let others = pattern.map_or(String::new(), |pattern| {
        format!("; those of guarded commands go to: {}", pattern.trim_end())
    });
    vec![Finding::ok(
        CHECK,
        format!("nightlatch leaves none{others}"),
    )]
}

#[cfg(target_os = "linux")]
fn is_dumpable() -> bool {
    use rustix::process::{DumpableBehavior, dumpable_behavior};
    !matches!(dumpable_behavior(), Ok(DumpableBehavior::NotDumpable))
}

/// This system has no such flag.
#[cfg(not(target_os = "linux"))]
fn is_dumpable() -> bool {
    true
}
