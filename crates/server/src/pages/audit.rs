//! The audit log of this node: its events and whether it verifies.

use std::sync::Arc;

use askama::Template;
use nightlatch_audit::{AdminRead, Progress, Query, Verifier};

use super::reply::PageReply;
use super::viewer::{Viewer, refused, session};
use super::visit::Visit;
use crate::api::{ApiError, App};
use crate::record::SealedLog;

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    viewer: Viewer,
    verified: String,
    fingerprint: Option<String>,
    user: String,
    total: u64,
    events: Vec<EventLine>,
}

struct EventLine {
    seq: u64,
    time: String,
    event_type: String,
    user: String,
    details: String,
}

/// What is read from the log.
struct Read {
    verified: String,
    fingerprint: Option<String>,
    total: u64,
    events: Vec<EventLine>,
}

/// The page. The reading is recorded in the log, with the administrator's name.
pub async fn show(app: &App, visit: &Visit) -> Result<PageReply, ApiError> {
    let session = match session(app, visit).await {
        Ok(session) => session,
        Err(error) => return refused(error),
    };
    let Some(admin) = session.admin() else {
        return refused(ApiError::forbidden("only for administrators"));
    };
    let user = visit.query("user").to_owned();
    let log = Arc::clone(&app.node.log);
    let filter = (!user.is_empty()).then(|| user.clone());
    // Reading and verifying takes a thread of its own.
    let read = tokio::task::spawn_blocking(move || read(&log, filter)).await;
    let read = match read {
        Ok(Ok(read)) => read,
        Ok(Err(problem)) => return Err(unreadable(&problem)),
        Err(error) => return Err(unreadable(&error.to_string())),
    };
    let accounts = &app.node.services.accounts;
    accounts
        .record_read(admin, AdminRead::Log, read.total, &visit.client)
        .await?;
    let page = AuditPage {
        viewer: Viewer::of(&session),
        verified: read.verified,
        fingerprint: read.fingerprint,
        user,
        total: read.total,
        events: read.events,
    };
    PageReply::page(200, &page)
}

fn unreadable(problem: &str) -> ApiError {
    tracing::error!("the audit log cannot be read: {problem}");
    ApiError::new(500, "INTERNAL_ERROR", "the audit log cannot be read")
}

fn read(log: &SealedLog, user: Option<String>) -> Result<Read, String> {
    let failed = |error: nightlatch_audit::AuditError| error.to_string();
    let result = Verifier::new(log.directory())
        .run(&Progress::default())
        .map_err(failed)?;
    let verified = if result.is_good() {
        format!("Verified: no tampering found in {} events.", result.lines)
    } else {
        let count = result.findings.len() as u64 + result.more_findings;
        format!("TAMPERED: {count} findings. Keep the files as they are; they are evidence.")
    };
    let query = Query::default().user(user);
    let reading = log
        .reader()
        .list(&query, &Progress::default())
        .map_err(failed)?;
    reading.recorded.map_err(failed)?;
    let events = reading.answer.events.iter().rev().map(|event| EventLine {
        seq: event.seq,
        time: event.timestamp.to_rfc3339(),
        event_type: event.event_type.to_string(),
        user: event.username.clone().unwrap_or_default(),
        details: event.details.get().to_owned(),
    });
    Ok(Read {
        verified,
        fingerprint: result.fingerprint,
        total: reading.answer.total,
        events: events.collect(),
    })
}
