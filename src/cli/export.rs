//! `audit export`: writes every matching event, for another program.

mod output;
mod ship;

use std::ops::ControlFlow;

use nightlatch_audit::{Progress, ReadKind, Reading};

use super::args::AuditExport;
use super::audit::list;
use super::audit::reading::{query, warn_of_unreadable, with_reader};
use super::context::Context;
use super::end::End;
use super::exit::Failure;
use super::progress;
use output::{Output, PIECE};

pub fn run(context: &Context, args: &AuditExport) -> Result<End, Failure> {
    let query = query(context, &args.filters)?;
    if let Some(after) = args.after {
        if query.is_of_runs() {
            return Err(list::not_followed());
        }
        return with_reader(context, &args.filters, |log| {
            ship::run(context, args, log, after, &query)
        });
    }
    let Reading {
        answer: (output, answer),
        recorded,
    } = with_reader(context, &args.filters, |log| {
        let mut output = Output::new(context.ui, args.format, log);
        let done = Progress::default();
        let mut write_all = || {
            log.for_each(ReadKind::Export, &query, &done, |record| {
                output.add(record);
                if output.pending.len() >= PIECE {
                    output.write();
                }
                if output.is_over() {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })
        };
        // If the lines go to the same terminal, they show the progress themselves.
        let Reading { answer, recorded } = if context.ui.on_terminal {
            write_all()?
        } else {
            progress::watched(context.ui, "exporting", || done.get(), write_all)?
        };
        Ok(Reading {
            answer: (output, answer),
            recorded,
        })
    })?;
    output.finish()?;
    warn_of_unreadable(context, answer.unreadable);
    recorded?;
    Ok(End::Done)
}
