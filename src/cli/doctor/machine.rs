//! The machine: its clocks, and where memory may be written to. `/proc` and `/sys` exist only on
//! Linux.

use nightlatch_audit::look;
use nightlatch_core::clock::{Clock, Timestamp};
use nightlatch_platform::clock::SystemClock;

use super::environment::{Environment, read_small};
use super::finding::Finding;
use crate::cli::audit::this_boot;
use crate::cli::text::span;

/// The beginning of 2026; this program did not exist before.
const PAST: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);

/// Whether the clocks can be used to judge sessions.
pub fn clock(case: &Environment) -> Vec<Finding> {
    const CHECK: &str = "clock";
    let now = SystemClock.now();
    let uptime = span(std::time::Duration::from_nanos(now.boot.nanos()));
    let finding = match SystemClock.boot() {
        Err(error) => {
            let finding = Finding::fail(CHECK, format!("this boot cannot be told: {error}"));
            let advice = "mount /proc: without it no session is live".to_owned();
            finding.advice(cfg!(target_os = "linux").then_some(advice))
        }
        Ok(boot) if boot.clock_shifted => Finding::fail(
            CHECK,
            "a time namespace shifts the clocks of this process: no session is live in it",
        )
        .advice("run nightlatch outside of that namespace".to_owned()),
        Ok(_) if now.wall < PAST => {
            Finding::warn(CHECK, format!("the wall clock is at {}", now.wall)).advice(
                "set it, or wait until it is synchronised: the audit log is dated by it".to_owned(),
            )
        }
        // A jump of the clock ends a session; checking synchronisation would require privileges.
        Ok(_) => Finding::ok(
            CHECK,
            format!("{}; booted {uptime} ago; not shifted", now.wall),
        ),
    };
    let mut findings = vec![finding];
    let log = case
        .home()
        .and_then(|home| look(&home.join("audit"), this_boot()).ok().flatten());
    if let Some(ahead) = log
        .map(|log| log.sealed_at.since(now.wall))
        .filter(|ahead| ahead.as_secs() > 5)
    {
        let found = format!(
            "the wall clock is {} behind the audit log's last seal",
            span(ahead)
        );
        findings.push(
            Finding::warn(CHECK, found).advice("see who set it back: nightlatch audit".to_owned()),
        );
    }
    findings
}

/// Whether memory may be written to disk unencrypted.
pub fn swap(_: &Environment) -> Vec<Finding> {
    const CHECK: &str = "swap";
    let Some(areas) = swap_areas() else {
        return Vec::new();
    };
    if areas.is_empty() {
        return vec![Finding::ok(CHECK, "off")];
    }
    let (safe, other): (Vec<_>, Vec<_>) = areas.iter().partition(|area| is_safe(area));
    let names = |areas: &[&String]| {
        areas
            .iter()
            .map(|area| area.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    vec![if other.is_empty() {
        Finding::ok(
            CHECK,
            format!("on, encrypted or in memory: {}", names(&safe)),
        )
    } else {
        let found = format!("on, and not known to be encrypted: {}", names(&other));
        Finding::warn(CHECK, found).advice(
            "encrypt it or turn it off; nightlatch locks its own secrets in memory, guarded commands may not".to_owned(),
        )
    }]
}

/// The swap devices and files; `None` if they are unknown.
fn swap_areas() -> Option<Vec<String>> {
    let swaps = read_small("/proc/swaps")?;
    let first_word = |line: &str| line.split_whitespace().next().map(str::to_owned);
    Some(swaps.lines().skip(1).filter_map(first_word).collect())
}

/// An encrypted mapping, or compressed memory.
fn is_safe(area: &str) -> bool {
    let device = area.strip_prefix("/dev/").unwrap_or(area);
    let uuid = || read_small(&format!("/sys/block/{device}/dm/uuid"));
    device.starts_with("zram")
        || device.starts_with("dm-") && uuid().is_some_and(|uuid| uuid.starts_with("CRYPT-"))
}

/// Whether hibernation may write all memory to disk.
pub fn hibernation(_: &Environment) -> Vec<Finding> {
    const CHECK: &str = "hibernation";
    let Some(states) = read_small("/sys/power/state") else {
        return Vec::new();
    };
    let is_possible = states.split_whitespace().any(|state| state == "disk");
    let areas = swap_areas().unwrap_or_default();
    vec![if !is_possible {
        Finding::ok(CHECK, "not possible here")
    } else if areas.is_empty() {
        Finding::ok(CHECK, "there is no swap to hibernate to")
    } else if areas.iter().all(|area| is_safe(area)) {
        Finding::ok(CHECK, "possible, to encrypted swap")
    } else {
        Finding::warn(
            CHECK,
            "possible, to swap that is not known to be encrypted: keys of live sessions go with it",
        )
        .advice("encrypt the swap, or before hibernating: nightlatch lock".to_owned())
    }]
}

/// Whether programs of the same user may read each other's memory.
pub fn tracing(_: &Environment) -> Vec<Finding> {
    const CHECK: &str = "tracing";
    if !cfg!(target_os = "linux") {
        return Vec::new();
    }
    let scope = read_small("/proc/sys/kernel/yama/ptrace_scope");
    let scope: u32 = scope.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    vec![if scope > 0 {
        Finding::ok(CHECK, format!("restricted (ptrace_scope {scope})"))
    } else {
        Finding::warn(CHECK, "any program of yours may read your shell's and guarded commands' memory, though not nightlatch's")
            .advice("restrict it: sysctl kernel.yama.ptrace_scope=1".to_owned())
    }]
}

/// Lists what is not checked, so that nobody takes silence for good news.
pub fn unseen(_: &Environment) -> Vec<Finding> {
    if cfg!(target_os = "linux") {
        return Vec::new();
    }
    let found = "not looked at on this platform: swap, hibernation, the kind of file system, and whether other programs may read memory";
    vec![Finding::warn("platform", found)]
}
