//! Properties of queries that hold for any event.

use std::time::Duration;

use super::{Query, Record};
use crate::facts::Facts;
use crate::filter::{Filter, Verdict};
use crate::outcome::Outcome;

/// Whether `line`, which this program wrote, matches each filter on its values and all of these
/// together, and matches no filter on another value.
pub(crate) fn found_by_what_it_says(line: &[u8]) -> bool {
    let Some(record) = Record::parse(line) else {
        return false;
    };
    let finds = |query: &Query| {
        let block = [line, b"\n"].concat();
        let mut found = false;
        Filter::new(query).judge_block(&block, |verdict| {
            found |= matches!(verdict, Verdict::Match(_));
        });
        found
    };
    // Queries accept names in any case and with surrounding spaces; the log has them in lower case.
    let user = record
        .username
        .clone()
        .filter(|name| name.trim().to_lowercase() == *name);
    let is_failed = matches!(record.outcome(), Outcome::Failed | Outcome::Refused);
    let program = Facts::of(&record.details).program.map(String::from);
    let all = Query {
        user: user.clone(),
        types: vec![record.event_type.clone()],
        since: Some(record.timestamp),
        until: Some(record.timestamp.plus(Duration::from_nanos(1))),
        session: record.session_id,
        failed_only: is_failed,
        program: program.clone(),
        execs: record.exec_id().into_iter().collect(),
        tty: record.tty.clone(),
        host: Some(record.host.clone()),
        ..Query::default()
    };
    let by = |change: &dyn Fn(&mut Query)| {
        let mut query = Query::default();
        change(&mut query);
        finds(&query)
    };
    finds(&all)
        && by(&|query| query.user.clone_from(&user))
        && by(&|query| query.types.clone_from(&all.types))
        && by(&|query| query.session = record.session_id)
        && by(&|query| query.since = all.since)
        && !by(&|query| query.until = all.since)
        && !by(&|query| query.since = all.until)
        && by(&|query| query.failed_only = true) == is_failed
        && by(&|query| query.program.clone_from(&program))
        && by(&|query| query.execs.clone_from(&all.execs))
        && by(&|query| query.tty.clone_from(&record.tty))
        && !by(&|query| query.tty = Some(format!("{:?}x", record.tty)))
        && !by(&|query| query.host = Some(format!("{}x", record.host)))
        && !by(&|query| query.user = user.as_ref().map(|user| format!("{user}x"))) | user.is_none()
}
