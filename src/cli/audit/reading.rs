//! How commands read the log: the choice of reader, and the filters as the library takes them.

use std::ffi::OsStr;
use std::fmt::Write;
use std::path::Path;

use nightlatch_audit::{ArgvDigest, EventName, EventType, ExitFilter, LogReader, Query};
use nightlatch_core::clock::Clock;
use nightlatch_platform::clock::SystemClock;

use crate::cli::args::AuditFilters;
use crate::cli::context::Context;
use crate::cli::exit::{Code, Failure};
use crate::cli::text;

pub const NAME_THE_DIRECTORY: &str =
    "name the directory that has the .jsonl files: in a home it is audit";

/// Calls `read` with the log that `filters` name: a copy, or the home's log.
pub fn with_reader<T>(
    context: &Context,
    filters: &AuditFilters,
    read: impl FnOnce(&LogReader<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    if let Some(directory) = &filters.dir {
        return read(&copy(directory)?);
    }
    let guard = context.guard()?;
    match guard.audit() {
        Some(log) => read(&log.reader()),
        None => read(&LogReader::of_nothing()),
    }
}

/// The log in `directory`.
fn copy(directory: &Path) -> Result<LogReader<'static>, Failure> {
    let hint = || NAME_THE_DIRECTORY.to_owned();
    let reader = LogReader::copy(directory).map_err(|error| Failure::from(error).hint(hint()))?;
    if reader.has_log()? {
        return Ok(reader);
    }
    let message = format!("there is no audit log in {}", directory.display());
    Err(Failure::new(Code::Audit, "no_log", message).hint(hint()))
}

/// Warns if lines of the log were left out.
pub fn warn_of_unreadable(context: &Context, unreadable: u64) {
    if unreadable > 0 {
        let lines = if unreadable == 1 {
            "1 line of the audit log is no event and was"
        } else {
            &format!("{unreadable} lines of the audit log are no events and were")
        };
        context
            .ui
            .warn(&format!("{lines} left out; see: nightlatch audit verify"));
    }
}

/// Converts the filters to a query with a limit.
pub fn query(context: &Context, args: &AuditFilters) -> Result<Query, Failure> {
    let now = SystemClock.now().wall;
    let time = |option: &str, text: &Option<String>| {
        let parse = |text: &String| {
            context.zone.parse(text, now).ok_or_else(|| {
                Failure::usage(format!("{option}: cannot read \"{text}\" as a time")).hint(
                    "write today, 14:00, 2026-11-20, \"2026-11-20 14:00\", 2026-11-20T23:41:07Z, or an \
                     age such as 2h or 7d"
                        .to_owned(),
                )
            })
        };
        text.as_ref().map(parse).transpose()
    };
    let types = args
        .event
        .iter()
        .map(|name| event_type(context, args, name));
    let session = args.session.as_deref().map(str::parse).transpose();
    let execs = args.exec_id.iter().map(|id| id.parse());
    let exit = args
        .exit
        .as_deref()
        .map(str::parse::<ExitFilter>)
        .transpose();
    let session = session
        .map_err(|_| Failure::usage("--session takes a session id, as `status` shows it"))?;
    let execs = execs.collect::<Result<Vec<_>, _>>().map_err(|_| {
        Failure::usage("--exec-id takes the id of a run, as `audit list --wide` shows it")
    })?;
    let digest = args.argv_of.as_deref().map(|line| argv(context, line));
    Ok(Query::default()
        .user(args.user.clone())
        .types(types.collect::<Result<Vec<_>, _>>()?)
        .since(time("--since", &args.since)?)
        .until(time("--until", &args.until)?)
        .session(session)
        .failed_only(args.failed)
        .program(args.program.clone())
        .execs(execs)
        .argv(digest.transpose()?)
        .exit(exit.map_err(|error| Failure::usage(format!("--exit: {error}")))?)
        .tty(args.tty.clone())
        .host(args.host.clone()))
}

/// The digest of a command line, which requires the account's key.
fn argv(context: &Context, line: &str) -> Result<ArgvDigest, Failure> {
    let words = text::words(line).ok_or_else(|| {
        Failure::usage("--argv-of: cannot read this as a command line")
            .hint("quote it as for a shell: --argv-of 'psql -c \"select 1\"'".to_owned())
    })?;
    Ok(context
        .guard_to_look()?
        .argv_digest(words.iter().map(OsStr::new))?)
}

/// A type of the catalogue, or an unknown one that occurs in the log.
fn event_type(context: &Context, filters: &AuditFilters, name: &str) -> Result<EventName, Failure> {
    let capitals = name.to_ascii_uppercase();
    if let Ok(event_type) = capitals.parse::<EventName>() {
        let is_there = || with_reader(context, filters, |log| Ok(log.has_type(&event_type)?));
        if event_type.known().is_some() || is_there()? {
            return Ok(event_type);
        }
    }
    let near = EventType::ALL
        .iter()
        .map(|known| (strsim::jaro_winkler(&capitals, known.as_str()), known))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|one, other| one.0.total_cmp(&other.0));
    let hint = if let Some((_, known)) = near {
        format!("did you mean {known}?")
    } else {
        let mut all = "one of".to_owned();
        // A plain loop: collecting and joining the names takes rustc 1.95 minutes to optimise.
        for known in EventType::ALL {
            let _ = write!(all, " {known}");
        }
        all
    };
    Err(Failure::usage(format!("\"{name}\" is not an event type")).hint(hint))
}
