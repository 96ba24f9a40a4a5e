//! `audit`: reads and verifies this node's log, also beside a running server.

use std::path::Path;
use std::sync::Arc;

use nightlatch_audit::{AuditLog, Dir, Limit, LogReader, Progress, Query, SystemClock, Verifier};

use super::args::AuditCommand;
use super::{Failure, ui};
use crate::config::Config;

/// The exit code for a log that does not verify.
const NOT_VERIFIED: u8 = 3;

/// Reads or verifies the log.
pub fn run(config: &Config, command: &AuditCommand) -> Result<u8, Failure> {
    let directory = config.data.join("audit");
    match command {
        AuditCommand::Verify => verify(&directory),
        AuditCommand::Fingerprint => {
            let fingerprint = LogReader::copy(&directory)?.fingerprint()?;
            ui::print(&fingerprint.ok_or("there is no audit log yet")?)?;
            Ok(0)
        }
        AuditCommand::List { limit, dir } => {
            let query = Query::default().limit(Limit::new(*limit)?);
            if let Some(copy) = dir {
                return list(&LogReader::copy(copy)?, &query);
            }
            let missing = || format!("{}: there is no such directory", config.data.display());
            let home = Dir::open(&config.data)?.ok_or_else(missing)?;
            let log = AuditLog::new(Arc::new(home), Arc::new(SystemClock));
            list(&log.reader(), &query)
        }
    }
}

/// Prints the newest events. They are printed even if that could not be recorded: a broken log is
/// what an auditor needs to read.
fn list(log: &LogReader<'_>, query: &Query) -> Result<u8, Failure> {
    let reading = log.list(query, &Progress::default())?;
    for record in &reading.answer.events {
        ui::print_json(&record.raw)?;
    }
    reading.recorded?;
    Ok(0)
}

fn verify(directory: &Path) -> Result<u8, Failure> {
    let result = Verifier::new(directory).run(&Progress::default())?;
    let shown = directory.display();
    if result.is_good() {
        let (lines, segments) = (result.lines, result.segments);
        ui::print(&format!(
            "Verified: no tampering found in {shown} ({lines} events in {segments} segments)"
        ))?;
        if let Some(fingerprint) = result.fingerprint {
            ui::print(&format!("fingerprint {fingerprint}"))?;
        }
        return Ok(0);
    }
    ui::print(&format!("TAMPERED: {shown}"))?;
    for finding in &result.findings {
        ui::print(&format!("line {}: {}", finding.line, finding.problem))?;
    }
    Ok(NOT_VERIFIED)
}
