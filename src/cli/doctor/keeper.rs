//! Where a session's key would be kept, and why.

use nightlatch_local::config::KeeperChoice;
use nightlatch_local::session::KeeperError;
use nightlatch_local::session::{
    keeper::AgentKeeper, keeper::KernelKeeper, keeper::agent_is_running,
};

use super::environment::{Environment, read_small};
use super::finding::Finding;
use crate::cli::hints::Hint;
use crate::cli::system::user;

const NO_AGENT: &str = "the agent cannot be started";

/// Which keeper the next sign-in would use.
pub fn keeper(case: &Environment) -> Vec<Finding> {
    const CHECK: &str = "keeper";
    let (choice, by) = choice(case);
    let kernel = KernelKeeper.probe();
    let agent = agent_can_start(case);
    let finding = match (choice, kernel, agent) {
        (KeeperChoice::Agent, _, Ok(())) => Finding::ok(CHECK, format!("agent, as {by} says")),
        (KeeperChoice::Agent, _, Err(why)) => {
            Finding::fail(CHECK, format!("agent, as {by} says, but {NO_AGENT}: {why}"))
                .advice("set keeper = \"auto\" to use the kernel where it works".to_owned())
        }
        (KeeperChoice::Kernel, Ok(()), _) => Finding::ok(
            CHECK,
            format!("kernel, as {by} says; its keyring works here"),
        ),
        (KeeperChoice::Auto, Ok(()), _) => Finding::ok(CHECK, "kernel: its keyring works here"),
        (KeeperChoice::Kernel, Err(error), _) => {
            let why = told(&error);
            Finding::fail(CHECK, format!("kernel, as {by} says, but {why}")).advice(error.hint())
        }
        (KeeperChoice::Auto, Err(error @ KeeperError::Quota { .. }), Ok(())) => {
            Finding::warn(CHECK, format!("agent, because {error}")).advice(error.hint())
        }
        (KeeperChoice::Auto, Err(error @ KeeperError::Unusable { .. }), Ok(())) => {
            Finding::ok(CHECK, format!("agent, because {}", told(&error)))
        }
        (KeeperChoice::Auto, Err(error), Ok(())) => {
            Finding::fail(CHECK, told(&error)).advice(error.hint())
        }
        (KeeperChoice::Auto, Err(error), Err(why)) => {
            let found = format!(
                "there is no safe place for a key: {}; and {NO_AGENT}: {why}",
                told(&error)
            );
            Finding::fail(CHECK, found)
        }
    };
    vec![finding]
}

/// The choice in force, and its origin.
fn choice(case: &Environment) -> (KeeperChoice, &'static str) {
    if let Some(Ok(choice)) = case.forced {
        return (choice, "NIGHTLATCH_KEEPER");
    }
    let choice = case
        .config()
        .map_or(KeeperChoice::Auto, |config| config.keeper);
    (choice, "the configuration")
}

/// Why the kernel does not keep keys, with the likely cause.
fn told(error: &KeeperError) -> String {
    // Mode 2 is a seccomp filter, as in containers.
    let is_filtered = || {
        let status = read_small("/proc/self/status")?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("Seccomp:"))?;
        Some(line.trim() == "2")
    };
    match error {
        KeeperError::Unusable { .. } if is_filtered() == Some(true) => {
            format!("{error}, where a seccomp profile is in force")
        }
        _ => error.to_string(),
    }
}

/// Whether an agent could be started, as far as can be determined without starting one.
fn agent_can_start(case: &Environment) -> Result<(), String> {
    if case.program.is_none() {
        return Err("the system does not tell where this program lies".to_owned());
    }
    AgentKeeper::probe().map_err(|error| match error {
        KeeperError::Unusable { why, .. } => why,
        error => error.to_string(),
    })
}

/// Whether an agent serves the home.
pub fn agent(case: &Environment) -> Vec<Finding> {
    const CHECK: &str = "agent";
    let Some(home) = case.home() else {
        return Vec::new();
    };
    let has_socket = || std::fs::symlink_metadata(home.join("run/agent.sock")).is_ok();
    vec![match agent_is_running(home) {
        Ok(true) if has_socket() => Finding::ok(CHECK, "running"),
        Ok(true) => Finding::warn(
            CHECK,
            "running, but its socket is gone: nobody can reach it",
        )
        .advice(
            "it makes a new one by itself; if it does not, end it with `kill PID` and sign in again"
                .to_owned(),
        ),
        Ok(false) if has_socket() => Finding::ok(
            CHECK,
            "not running; one that was killed left its socket, which the next one replaces",
        ),
        Ok(false) => Finding::ok(
            CHECK,
            match agent_can_start(case) {
                Ok(()) => "not running: it is started when a key needs it".to_owned(),
                Err(why) => format!("not running: {why}"),
            },
        ),
        Err(error) => Finding::fail(CHECK, error.to_string()).advice(error.hint()),
    }]
}

/// How much of the user's quota of kernel keys is used.
pub fn quota(_: &Environment) -> Vec<Finding> {
    const CHECK: &str = "quota";
    let (Some(users), Some(user)) = (read_small("/proc/key-users"), user()) else {
        return Vec::new();
    };
    let Some([keys, key_limit, bytes, byte_limit]) = share_of(user, &users) else {
        return vec![Finding::ok(CHECK, "no kernel keys of yours")];
    };
    let found = format!("{keys} of {key_limit} kernel keys, {bytes} of {byte_limit} bytes");
    // Four fifths: a sign-in needs one or two keys and a few hundred bytes.
    let is_tight = keys * 5 > key_limit * 4 || bytes * 5 > byte_limit * 4;
    vec![if is_tight {
        let files = "/proc/sys/kernel/keys/maxkeys and maxbytes";
        Finding::warn(CHECK, found).advice(format!("raise {files}, or set NIGHTLATCH_KEEPER=agent"))
    } else {
        Finding::ok(CHECK, found)
    }]
}

/// Keys, their limit, bytes and their limit, from the line `uid: usage n/n keys/limit bytes/limit`.
fn share_of(user: u32, users: &str) -> Option<[u64; 4]> {
    let of_user = |line: &&str| {
        let id = line.split(':').next();
        id.and_then(|id| id.trim().parse().ok()) == Some(user)
    };
    let line = users.lines().find(of_user)?;
    let mut fields = line.split_whitespace().skip(3);
    let (keys, bytes) = (
        fields.next()?.split_once('/')?,
        fields.next()?.split_once('/')?,
    );
    let number = |text: &str| text.parse().ok();
    Some([
        number(keys.0)?,
        number(keys.1)?,
        number(bytes.0)?,
        number(bytes.1)?,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_a_user_is_read_from_its_own_line() {
        let users =
            "    0:    13 12/12 7/1000000 57635/25000000\n 1001:     2 2/2 3/200 500/20000\n";
        assert_eq!(share_of(1001, users), Some([3, 200, 500, 20_000]));
        assert_eq!(share_of(0, users), Some([7, 1_000_000, 57_635, 25_000_000]));
        assert_eq!(share_of(1, users), None);
        assert_eq!(share_of(7, "7: 1"), None);
    }
}
