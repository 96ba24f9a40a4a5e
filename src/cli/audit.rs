//! `audit`: queries the log, and dispatches its subcommands.

pub mod list;
pub mod reading;
mod table;
mod verify;

use std::path::Path;

use nightlatch_local::guard::AlertKind;

use super::args::{Audit, AuditCommand};
use super::context::Context;
use super::end::End;
use super::exit::{Code, Failure};
use super::{export, hold, prune};

pub use verify::{copy_to_verify, no_log, not_verified, this_boot, verifier, verify};

pub fn run(context: &Context, args: Audit) -> Result<End, Failure> {
    match args.command {
        Some(AuditCommand::Verify(args)) => {
            let directory = context.config.home().join("audit");
            let result = if matches!(directory.try_exists(), Ok(false)) {
                Err(verify::no_log())
            } else {
                verify(context.ui, &args, &directory)
            };
            if let (true, Err(failure)) = (args.alert, &result) {
                alert(context, failure);
            }
            result
        }
        Some(AuditCommand::Fingerprint) => verify::fingerprint(context),
        Some(AuditCommand::Anchor) => verify::anchor(context),
        Some(AuditCommand::List(list)) => list::run(context, &list),
        Some(AuditCommand::Export(args)) => export::run(context, &args),
        Some(AuditCommand::Stats(args)) => super::stats::run(context, &args),
        Some(AuditCommand::Report(args)) => super::report::run(context, &args),
        Some(AuditCommand::Prune(args)) => prune::run(context, &args),
        Some(AuditCommand::Hold(args)) => hold::run(context, &args.command),
        None => list::run(context, &args.list),
    }
}

/// Runs the alert command if the log did not verify. Its result does not change the exit code.
fn alert(context: &Context, failure: &Failure) {
    if failure.code != Code::Audit {
        return;
    }
    let raised = context
        .guard()
        .map_err(|failure| failure.message)
        .and_then(|guard| {
            let raised = guard.alert(AlertKind::Tamper, &failure.message);
            raised.map_err(|error| error.to_string())
        });
    match raised {
        Ok(true) => {}
        Ok(false) => {
            let warning = "no alert: on_tamper under [audit] is not set in the configuration";
            context.ui.warn(warning);
        }
        Err(error) => context.ui.warn(&error),
    }
}

/// The directory of a copy to read. A copy needs no home, except for the key of an account.
pub fn copy_to_read(audit: &Audit) -> Option<&Path> {
    let filters = match &audit.command {
        None => &audit.list.filters,
        Some(AuditCommand::List(list)) => &list.filters,
        Some(AuditCommand::Export(args)) => &args.filters,
        Some(AuditCommand::Stats(args)) => &args.filters,
        Some(AuditCommand::Report(args)) => &args.filters,
        Some(_) => return None,
    };
    filters.dir.as_deref().filter(|_| filters.argv_of.is_none())
}
