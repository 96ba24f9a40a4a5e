//! Records: accounts, the audit log, and the leases of running commands.

use std::sync::Arc;
use std::time::Duration;

use nightlatch_audit::AuditLog;
use nightlatch_audit::{Coverage, Hold, LogSummary, Progress, Verifier, look};
use nightlatch_core::clock::{Clock, Timestamp};
use nightlatch_core::crypto::kdf::Argon2Params;
use nightlatch_local::account::{AccountService, DatabaseState, Lockout, check_database};
use nightlatch_local::config::Config;
use nightlatch_local::config::{PCI_RETENTION_FLOOR, PasswordRules};
use nightlatch_local::guard::count_leases;
use nightlatch_platform::clock::SystemClock;
use nightlatch_platform::fs::Dir;

use super::environment::Environment;
use super::finding::Finding;
use crate::cli::audit::this_boot;
use crate::cli::hints::Hint;
use crate::cli::progress::size;
use crate::cli::session::locked_out;
use crate::cli::system::check_writable;
use crate::cli::text::{days, span};

/// A log up to this size is verified here, because it takes hardly longer than the other checks.
const VERIFIED_IN_PASSING: u64 = 1024 * 1024;

/// The maximum number of accounts checked.
const ACCOUNTS: u32 = 100;

/// The account database.
pub fn accounts(case: &Environment) -> Vec<Finding> {
    const CHECK: &str = "accounts";
    let Some(home) = case.home() else {
        return Vec::new();
    };
    vec![match check_database(home) {
        Ok(DatabaseState::Whole { accounts }) => {
            Finding::ok(CHECK, format!("{accounts}, and the database is whole"))
        }
        Ok(DatabaseState::Absent) => Finding::ok(CHECK, "none yet")
            .advice("create one: nightlatch register EMAIL".to_owned()),
        Ok(_) => Finding::ok(
            CHECK,
            "the database is being written, so it was not looked into",
        ),
        Err(error) => Finding::fail(CHECK, error.to_string()).advice(error.hint()),
    }]
}

/// Accounts that are locked after failed sign-ins.
pub fn lockouts(case: &Environment) -> Vec<Finding> {
    let Some(home) = opened_home(case) else {
        return Vec::new();
    };
    let (clock, cost) = (Arc::new(SystemClock), Argon2Params::DEFAULT);
    let accounts = AccountService::new(Arc::new(home), clock, PasswordRules::Nist, cost);
    // Another check reports an unreadable database.
    let lockouts = accounts.lockouts_at_rest(ACCOUNTS).unwrap_or_default();
    let finding = |lockout: &Lockout| {
        let left = lockout.until.since(SystemClock.now().wall);
        Finding::warn("lockout", locked_out(lockout, left))
            .advice("see who tried: nightlatch audit list --failed --since 1h".to_owned())
    };
    lockouts.iter().map(finding).collect()
}

/// The audit log: whether the next event can be appended, and whether the log verifies.
pub fn log(case: &Environment) -> Vec<Finding> {
    const CHECK: &str = "audit";
    let Some(home) = case.home() else {
        return Vec::new();
    };
    let directory = home.join("audit");
    let summary = match look(&directory, this_boot()) {
        Ok(Some(summary)) => summary,
        Ok(None) => {
            let has_accounts = matches!(check_database(home), Ok(DatabaseState::Whole { accounts }) if accounts > 0);
            return vec![if has_accounts {
                let found = format!(
                    "the audit log is gone: there is nothing in {}",
                    directory.display()
                );
                Finding::fail(CHECK, found)
                    .advice("put it back: nothing runs that cannot be recorded".to_owned())
            } else {
                Finding::ok(CHECK, "no log yet: the first account begins it")
            }];
        }
        Err(error) => return vec![Finding::fail(CHECK, error.to_string()).advice(error.hint())],
    };
    let mut findings = Vec::new();
    if let Err(error) = check_writable(&directory) {
        let found = format!("{} cannot be written to: {error}", directory.display());
        findings.push(Finding::fail(CHECK, found));
    }
    if summary.lost > 0 {
        let lines = if summary.lost == 1 { "line" } else { "lines" };
        let found = format!("{} {lines} went with the power", summary.lost);
        let advice = "the next event puts them back and records it";
        findings.push(Finding::warn(CHECK, found).advice(advice.to_owned()));
    }
    if summary.unsealed > 0 {
        let found = "bytes after the last seal: an event is being written, or a process was killed";
        let advice = "the next event moves them aside and records it";
        findings.push(Finding::warn(CHECK, found).advice(advice.to_owned()));
    }
    let what = described(&summary);
    if summary.bytes > VERIFIED_IN_PASSING {
        let found = format!("{what}; its end is good, and the rest was not read");
        findings.push(
            Finding::ok(CHECK, found).advice("all of it: nightlatch audit verify".to_owned()),
        );
        return findings;
    }
    let quick = Verifier::new(&directory).in_home().in_boot(this_boot());
    let verified = quick.fast().run(&Progress::default());
    findings.push(match verified {
        Ok(verified) if verified.is_good() => Finding::ok(CHECK, format!("{what}; verifies")),
        Ok(_) => Finding::fail(CHECK, format!("{what}; does not verify"))
            .advice("see what is wrong: nightlatch audit verify".to_owned()),
        Err(error) => Finding::fail(CHECK, error.to_string()).advice(error.hint()),
    });
    findings
}

fn described(summary: &LogSummary) -> String {
    let age = span(SystemClock.now().wall.since(summary.sealed_at));
    let files = match summary.segments {
        1 => "1 file".to_owned(),
        count => format!("{count} files"),
    };
    let (last, bytes) = (summary.last_seq, size(summary.bytes));
    format!("{last} events so far, {bytes} in {files}, the last one {age} ago")
}

/// The home; `None` if opening it would change its permissions.
fn opened_home(case: &Environment) -> Option<Dir> {
    let home = case.home()?;
    let survey = &case.survey;
    if !survey.refused.is_empty() || !survey.open.is_empty() {
        return None;
    }
    Dir::open_to_look(home).ok()?
}

/// The log, for queries; `None` as for [`opened_home`].
fn opened_log(case: &Environment) -> Option<AuditLog> {
    let home = opened_home(case)?;
    Some(AuditLog::new(Arc::new(home), Arc::new(SystemClock)))
}

/// The log's retention, and how far back the log reaches.
pub fn retention(case: &Environment) -> Vec<Finding> {
    let Some(config) = case.config() else {
        return Vec::new();
    };
    // Another check reports an unreadable log.
    let coverage = opened_log(case).and_then(|log| log.coverage().ok().flatten());
    vec![kept(config, coverage, SystemClock.now().wall)]
}

fn kept(config: &Config, coverage: Option<Coverage>, now: Timestamp) -> Finding {
    const CHECK: &str = "retention";
    /// The part that PCI DSS 10.5.1 requires to be available immediately.
    const AT_HAND: Duration = Duration::from_secs(90 * 86_400);
    let kept_for = days(config.audit_retention);
    let kept = format!("the audit log is kept for {kept_for}");
    let Some(coverage) = coverage else {
        return Finding::ok(CHECK, kept);
    };
    let reaches = match now.since(coverage.since).as_secs() / 86_400 {
        0 => "less than a day".to_owned(),
        whole => days(Duration::from_secs(whole * 86_400)),
    };
    let kept = if coverage.is_complete {
        format!("{kept}; it reaches back {reaches}, to its first event")
    } else {
        format!("{kept}; it reaches back {reaches}")
    };
    // Count started days as missing.
    let missing = |length| {
        let missing = coverage.missing(length, now).as_secs();
        days(Duration::from_secs(missing.div_ceil(86_400) * 86_400))
    };
    if !config.follows_pci() || coverage.missing(PCI_RETENTION_FLOOR, now).is_zero() {
        return Finding::ok(CHECK, kept);
    }
    let year = missing(PCI_RETENTION_FLOOR);
    let found = if coverage.missing(AT_HAND, now).is_zero() {
        format!("{kept}: {year} are missing of the 12 months that PCI DSS 10.5.1 demands")
    } else {
        let at_hand = missing(AT_HAND);
        format!(
            "{kept}: {year} are missing of the 12 months that PCI DSS 10.5.1 demands, and {at_hand} of the 3 that it wants at hand"
        )
    };
    Finding::warn(CHECK, found)
        .advice("look for exports and copies: what was removed cannot be brought back".to_owned())
}

/// The legal holds in force.
pub fn holds(case: &Environment) -> Vec<Finding> {
    const CHECK: &str = "holds";
    let Some(log) = opened_log(case) else {
        return Vec::new();
    };
    match log.holds() {
        Ok(holds) if holds.is_empty() => vec![Finding::ok(CHECK, "no legal hold is in force")],
        Ok(holds) => holds.iter().map(in_force).collect(),
        Err(error) => vec![Finding::fail(CHECK, error.to_string()).advice(error.hint())],
    }
}

fn in_force(hold: &Hold) -> Finding {
    let age = SystemClock.now().wall.since(hold.added_at);
    let found = format!(
        "legal hold {}, for {}: nothing is removed from the audit log",
        hold.name,
        span(age)
    );
    Finding::ok("holds", found)
}

/// Whether anchors are sent to the system log.
pub fn syslog(case: &Environment) -> Vec<Finding> {
    const CHECK: &str = "syslog";
    let Some(config) = case.config() else {
        return Vec::new();
    };
    let socket = config.syslog_socket.display();
    vec![if !config.syslog {
        Finding::ok(CHECK, "off, as the configuration says")
    } else if std::fs::metadata(&config.syslog_socket).is_ok() {
        Finding::ok(
            CHECK,
            format!("{socket} is told of the log's end at sign-in"),
        )
    } else {
        Finding::warn(
            CHECK,
            format!("there is no {socket}, so no anchor of the log leaves it"),
        )
        .advice("keep one elsewhere now and then: nightlatch audit anchor --json".to_owned())
    }]
}

/// Leases of running commands, and those that killed ones left.
pub fn leases(case: &Environment) -> Vec<Finding> {
    const CHECK: &str = "commands";
    let Some(home) = case.home() else {
        return Vec::new();
    };
    vec![match count_leases(home) {
        Ok((held, 0)) => Finding::ok(CHECK, format!("{held} running under the guard")),
        Ok((held, left)) => Finding::warn(
            CHECK,
            format!("{held} running under the guard; {left} whose nightlatch was killed"),
        )
        .advice("the sessions they had are over: nightlatch login".to_owned()),
        Err(error) => Finding::fail(CHECK, error.to_string()).advice(error.hint()),
    }]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::State;

    const DAY: u64 = 86_400;

    fn told(policy: &str, reaches: u64, is_complete: bool) -> (State, String) {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("config.toml");
        let mut content = tempfile::NamedTempFile::new_in(scratch.path()).unwrap();
        std::io::Write::write_all(&mut content, policy.as_bytes()).unwrap();
        content.persist(&file).unwrap();
        let config = Config::load(&file).unwrap();
        let now = Timestamp::from_unix_seconds(1_800_000_000);
        let since = now.minus(Duration::from_secs(reaches * DAY + 60));
        let finding = kept(&config, Some(Coverage::new(since, is_complete)), now);
        (finding.state, finding.found)
    }

    #[test]
    fn under_the_pci_policy_it_says_what_is_missing_of_12_months() {
        let pci = "[password]\npolicy = \"pci\"";
        let (state, found) = told(pci, 100, false);
        assert_eq!(state, State::Warn);
        assert_eq!(
            found,
            "the audit log is kept for 400 days; it reaches back 100 days: 265 days are missing of the 12 months that PCI DSS 10.5.1 demands"
        );
        let (state, found) = told(pci, 30, false);
        assert_eq!(state, State::Warn);
        assert!(
            found.ends_with("335 days are missing of the 12 months that PCI DSS 10.5.1 demands, and 60 days of the 3 that it wants at hand"),
            "{found}"
        );
        assert_eq!(told(pci, 365, false).0, State::Ok);
        let (state, found) = told(pci, 30, true);
        assert_eq!(state, State::Ok, "nothing was removed");
        assert!(
            found.ends_with("it reaches back 30 days, to its first event"),
            "{found}"
        );
        let (state, found) = told("", 30, false);
        assert_eq!(
            (state, &*found),
            (
                State::Ok,
                "the audit log is kept for 90 days; it reaches back 30 days"
            )
        );
    }
}
