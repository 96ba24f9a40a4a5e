//! What is kept: accounts, the audit log, what running commands left.

use nightlatch::account::{DatabaseState, check_database};
use nightlatch::audit::{LogSummary, Progress, Verifier, look};
use nightlatch::clock::{Clock, SystemClock};
use nightlatch::guard::count_leases;

use super::{Case, Finding};
use crate::cli::progress::size;
use crate::cli::system::check_writable;
use crate::cli::text::{days, span};

/// A log of up to this size verifies while somebody waits for all the other checks.
const VERIFIED_IN_PASSING: u64 = 1024 * 1024;

/// The account database.
pub fn accounts(case: &Case) -> Vec<Finding> {
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

/// The audit log: whether the next event can follow, and whether it verifies.
pub fn log(case: &Case) -> Vec<Finding> {
    const CHECK: &str = "audit";
    let Some(home) = case.home() else {
        return Vec::new();
    };
    let directory = home.join("audit");
    let summary = match look(&directory) {
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
    let verified = Verifier::new(&directory).fast().run(&Progress::default());
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

/// How long the log is kept.
pub fn retention(case: &Case) -> Vec<Finding> {
    let Some(config) = case.config() else {
        return Vec::new();
    };
    let kept = days(config.audit_retention);
    vec![Finding::ok(
        "retention",
        format!("the audit log is kept for {kept}"),
    )]
}

/// Whether somebody hears of the log's end.
pub fn syslog(case: &Case) -> Vec<Finding> {
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

/// What running commands hold, and what killed ones left.
pub fn leases(case: &Case) -> Vec<Finding> {
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
