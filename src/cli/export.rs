//! `audit export`: every event that matches, for another program.

mod ship;

use std::ops::ControlFlow;

use nightlatch::AuditLog;
use nightlatch::audit::{Details, Event, ExportFormat, Limit, Progress, Query, Record};

use super::args::{AuditExport, ExportForm};
use super::audit::{query, warn_of_unreadable};
use super::exit::Failure;
use super::ui::Ui;
use super::{Context, End, progress};

/// How much is written at a time.
const PIECE: usize = 64 * 1024;

pub fn run(context: &Context, args: &AuditExport) -> Result<End, Failure> {
    let query = query(context, &args.filters)?;
    let guard = context.guard()?;
    if let Some(after) = args.after {
        return ship::run(context, args, guard.audit(), after, &query);
    }
    let Some(log) = guard.audit() else {
        return Ok(End::Done);
    };
    // Counted first: the record of the reading must stand before the data leaves, for whoever
    // interrupts the export has read all the same. The data ends before that record.
    let found = log.query(&Query {
        limit: Limit::new(1).map_err(|error| Failure::usage(error.to_string()))?,
        ..query.clone()
    })?;
    let read = Event::new(Details::AuditRead {
        matched: found.total,
        returned: found.total,
    });
    let recorded = log.append_durable(&[read]);
    if found.total > 0 {
        let mut output = Output::new(context.ui, args.format, log);
        let mut left = found.total;
        let done = Progress::default();
        let mut write_all = || {
            log.for_each(&query, &done, |record| {
                left -= 1;
                output.add(record);
                if output.pending.len() >= PIECE {
                    output.write();
                }
                if left == 0 || output.is_over() {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })
        };
        // Where the lines go to the same terminal they show how far it is.
        if context.ui.on_terminal {
            write_all()?;
        } else {
            progress::watched(context.ui, "exporting", || done.get(), write_all)?;
        }
        output.finish()?;
    }
    warn_of_unreadable(context, found.unreadable);
    recorded?;
    Ok(End::Done)
}

/// Lines on their way to stdout.
struct Output {
    ui: Ui,
    format: ExportFormat,
    fingerprint: Option<String>,
    pending: Vec<u8>,
    /// `false` when nobody reads any more.
    wanted: Result<bool, Failure>,
}

impl Output {
    fn new(ui: Ui, form: ExportForm, log: &AuditLog) -> Self {
        let format = match form {
            ExportForm::Ocsf => ExportFormat::Ocsf,
            ExportForm::Ecs => ExportFormat::Ecs,
            ExportForm::Jsonl => ExportFormat::Jsonl,
        };
        Self {
            ui,
            format,
            // A log without its sealing state is exported all the same.
            fingerprint: log.fingerprint().ok().flatten(),
            pending: Vec::with_capacity(2 * PIECE),
            wanted: Ok(true),
        }
    }

    fn add(&mut self, record: &Record) {
        self.format
            .append(&mut self.pending, record, self.fingerprint.as_deref());
    }

    fn write(&mut self) {
        self.wanted = self.ui.json_text(&String::from_utf8_lossy(&self.pending));
        self.pending.clear();
    }

    fn is_over(&self) -> bool {
        !matches!(self.wanted, Ok(true))
    }

    fn finish(mut self) -> Result<(), Failure> {
        if !self.is_over() {
            self.write();
        }
        self.wanted.map(drop)
    }
}
