//! `audit report`: a self-contained page for viewing and printing.

mod charts;
mod events;
mod page;
mod policy;
mod text;
mod time;
mod verdict;

use std::collections::VecDeque;
use std::ops::ControlFlow;

use nightlatch_audit::{Limit, Progress, ReadKind, Reading, Record, Statistics};
use nightlatch_core::clock::Clock;
use nightlatch_platform::clock::SystemClock;
use serde_json::json;

use super::args::AuditReport;
use super::audit::reading::{query, warn_of_unreadable, with_reader};
use super::audit::{no_log, not_verified, this_boot, verifier};
use super::context::Context;
use super::end::End;
use super::exit::Failure;
use super::stats::has_all_of_sessions;
use super::{private_file, progress};

pub fn run(context: &Context, args: &AuditReport) -> Result<End, Failure> {
    let to_stdout = args.html.as_os_str() == "-";
    if to_stdout && context.ui.json {
        return Err(
            Failure::usage("--json and --html - would both write to stdout")
                .hint("give a file".to_owned()),
        );
    }
    if !to_stdout {
        private_file::check_replaceable(&args.html)?;
    }
    let query = query(context, &args.filters)?;
    let directory = match &args.filters.dir {
        Some(copy) => copy.clone(),
        None => context.config.home().join("audit"),
    };
    let (mut verifier, _) = verifier(context.ui, &directory, &args.noted)?;
    if args.filters.dir.is_none() {
        if !directory.is_dir() {
            return Err(no_log());
        }
        verifier = verifier.in_boot(this_boot());
    }
    let most = usize::from(Limit::MAX.get());
    let mut statistics = Statistics::default();
    let mut newest: VecDeque<Record> = VecDeque::with_capacity(most);
    let (verification, read) = with_reader(context, &args.filters, |log| {
        let (ui, done) = (context.ui, Progress::default());
        let verify = || verifier.run(&done);
        let verification = progress::watched(ui, "verifying", || done.get(), verify)?;
        let done = Progress::default();
        let read_all = || {
            log.for_each(ReadKind::Report, &query, &done, |record| {
                statistics.add(record);
                if newest.len() == most {
                    newest.pop_front();
                }
                newest.push_back(record.clone());
                ControlFlow::Continue(())
            })
        };
        let read = progress::watched(ui, "reading", || done.get(), read_all)?;
        Ok((verification, read))
    })?;
    let Reading {
        answer: visited,
        recorded,
    } = read;
    warn_of_unreadable(context, visited.unreadable);

    let html = page::render(&page::Content {
        now: SystemClock.now().wall,
        filters: &args.filters,
        verification: &verification,
        statistics: &statistics,
        newest: newest.make_contiguous(),
        unreadable: visited.unreadable,
        with_sessions: has_all_of_sessions(&query),
    })?;
    if to_stdout {
        context.ui.bytes(html.as_bytes())?;
    } else {
        private_file::write(&args.html, html.as_bytes())?;
        let file = args.html.display().to_string();
        if context.ui.json {
            context.ui.json(&json!({
                "schema": 1,
                "file": file,
                "events": visited.total,
                "rows": newest.len(),
                "verified": verification.is_good(),
            }))?;
        } else if verification.is_good() {
            let file = super::text::escape(&file);
            context
                .ui
                .say(&format!("wrote {file}: {} events", visited.total));
        }
    }
    recorded?;
    if verification.is_good() {
        return Ok(End::Done);
    }
    Err(not_verified(&verification).hint("the page lists what was found".to_owned()))
}
