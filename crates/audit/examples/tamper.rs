//! Writes a log, verifies it, changes one byte of it, and verifies it again.

use std::error::Error;
use std::sync::Arc;

use nightlatch_audit::{AuditLog, AuditName, Details, Dir, Event, Progress, SystemClock, Verifier};

#[allow(clippy::disallowed_macros, clippy::disallowed_methods)] // an example prints, and tampers with its own log
fn main() -> Result<(), Box<dyn Error>> {
    let scratch = tempfile::tempdir()?;
    let path = scratch.path().join("service");
    let log = AuditLog::new(Arc::new(Dir::open_or_create(&path)?), Arc::new(SystemClock));
    for user in ["alice@example.com", "bob@example.com"] {
        let event = Event::new(Details::LoginAttempt).about(AuditName::known(user));
        log.append_durable(&[event])?;
    }
    let audit = path.join("audit");
    let verify = || Verifier::new(&audit).run(&Progress::default());
    println!("as written: {} findings", verify()?.findings.len());

    let segment = audit.join("0000000000000001.jsonl");
    let text = std::fs::read_to_string(&segment)?;
    std::fs::write(&segment, text.replacen("alice", "carol", 1))?;
    for finding in verify()?.findings {
        println!("changed: line {}: {}", finding.line, finding.problem);
    }
    Ok(())
}
