//! Checks that the log ends where its head and its sealing state say.

use super::finding::Problem;
use super::join::Join;
use super::segment::Watched;
use super::snapshot::{HEAD_NAME, Snapshot};
use crate::head::Head;
use crate::line::Link;
use crate::sealer::Sealer;
use crate::state_file::{BadState, SEAL_DIRECTORY, STATE_FILE};
use nightlatch_core::crypto::sign::PublicKey;

/// Compares the log with its head. A crash may have prevented one append from writing its head; if
/// more than that follows the head, the end was not checked, unless it was appended during this
/// verification.
///
/// After a loss of power before this boot, there may be a head of an append whose lines and state
/// were lost. That is not a finding. `lost` is the sealing state if it was saved before this boot.
pub(super) fn judge_head(
    join: &mut Join<'_>,
    snapshot: &Snapshot,
    fingerprint: Option<PublicKey>,
    lost: Option<&Sealer>,
) {
    let Some(head) = snapshot.head else {
        return;
    };
    join.result.head_seen = true;
    let Some(head) = head else {
        return join.about_file(HEAD_NAME, Problem::BadHead);
    };
    match sealed_line(join, head.last) {
        Err(Problem::CutEnd { seq })
            if fingerprint == Some(head.fingerprint)
                && lost.is_some_and(|state| is_of_next_append(join, state, &head)) =>
        {
            join.result.lost_through = Some(seq);
        }
        Err(problem) => join.about_file(HEAD_NAME, problem),
        Ok((_, next)) if fingerprint != Some(head.fingerprint) || !head.is_signed_by(&next) => {
            join.about_file(HEAD_NAME, Problem::ForeignHead);
        }
        Ok((line, _)) => {
            join.result.end_checked =
                !snapshot.is_consistent || join.sealed_lines <= line.sealed_before + 1;
        }
    }
}

/// Whether `head` belongs to the next append after the log's end, which is where `state` says.
fn is_of_next_append(join: &Join<'_>, state: &Sealer, head: &Head) -> bool {
    let Link { seq, hash } = state.last();
    join.result.last == Some((seq, hash))
        && sealed_line(join, state.last()).is_ok_and(|(_, next)| state.makes_next(head, next))
}

/// The name of the sealing state's file, relative to the home.
pub(super) fn state_name() -> String {
    format!("{SEAL_DIRECTORY}/{STATE_FILE}")
}

/// Compares the log with the sealing state, if there is one. A copy of a log has none, and neither
/// has a log without any append.
pub(super) fn judge_state(join: &mut Join<'_>, state: Option<Result<Sealer, BadState>>) {
    let file = state_name();
    let Some(state) = state else {
        return;
    };
    let Ok(state) = state else {
        return join.about_file(&file, Problem::BadState);
    };
    join.result.state_seen = true;
    join.result.end_checked = true;
    let last = state.last();
    if last.seq > 0
        && let Err(problem) = sealed_line(join, last)
    {
        join.about_file(&file, problem);
    }
}

/// The line `last`, which a head or a state names as the last sealed one, and the key that its seal
/// announces; or what is wrong with it.
fn sealed_line(join: &Join<'_>, last: Link) -> Result<(Watched, PublicKey), Problem> {
    let Link { seq, .. } = last;
    let lines = &join.watched;
    let after = lines.partition_point(|line| line.link.seq <= seq);
    let line = after.checked_sub(1).map(|at| lines[at]);
    match line.filter(|line| line.link == last) {
        Some(
            line @ Watched {
                next: Some(next), ..
            },
        ) => Ok((line, next)),
        _ if join.result.last.is_none_or(|(end, _)| end < seq) => Err(Problem::CutEnd { seq }),
        _ => Err(Problem::OtherEnd { seq }),
    }
}
