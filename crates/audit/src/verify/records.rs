//! Records about the log itself, which rules and results rely on.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::canonical::Canonical;
use crate::catalogue::EventType;
use crate::details::Details;
use crate::hold::Hold;
use crate::record_details::PrunedDetails;
use nightlatch_core::clock::Timestamp;

/// A record and its place.
pub(super) struct Noted {
    pub(super) seq: u64,
    pub(super) line: u64,
    pub(super) at: Timestamp,
    pub(super) what: What,
}

/// What a record says.
pub(super) enum What {
    /// `None` if a detail is missing or malformed.
    Pruned(Option<PrunedDetails>),
    /// The hold's name as it is in the line's JSON, and the hold if it is well-formed.
    HoldAdded(String, Option<Hold>),
    HoldRemoved(String),
    Repaired {
        lines: u64,
        bytes: u64,
        file: Option<String>,
    },
}

/// The record in a line, if it is one about the log.
pub(super) fn noted(line: &Canonical<'_>, at: u64) -> Option<Noted> {
    let what = match line.event_type {
        "AUDIT_PRUNED" => What::Pruned(pruned(line)),
        "AUDIT_HOLD_ADDED" => What::HoldAdded(hold_name(line), hold(line)),
        "AUDIT_HOLD_REMOVED" => What::HoldRemoved(hold_name(line)),
        "AUDIT_REPAIRED" => repaired(line),
        _ => return None,
    };
    Some(Noted {
        seq: line.seq,
        line: at,
        at: line.timestamp,
        what,
    })
}

fn pruned(line: &Canonical<'_>) -> Option<PrunedDetails> {
    match line.read_details(EventType::AuditPruned)? {
        Details::AuditPruned(pruned) => Some(pruned),
        _ => None,
    }
}

/// The JSON of the hold's name, even if malformed: which holds are in force must not depend on the
/// form.
fn hold_name(line: &Canonical<'_>) -> String {
    #[derive(Deserialize)]
    struct Form<'a> {
        #[serde(borrow)]
        hold: Option<&'a RawValue>,
    }
    let form = serde_json::from_slice::<Form<'_>>(line.details);
    let name = form.ok().and_then(|form| form.hold);
    name.map_or("null", RawValue::get).to_owned()
}

fn hold(line: &Canonical<'_>) -> Option<Hold> {
    let Details::AuditHoldAdded { hold: name, reason } =
        line.read_details(EventType::AuditHoldAdded)?
    else {
        return None;
    };
    let name_of = |quoted: &[u8]| {
        let quoted = [b"\"", quoted, b"\""].concat();
        serde_json::from_slice(&quoted).ok()
    };
    Some(Hold {
        name,
        reason,
        added_at: line.timestamp,
        added_by: line.username.and_then(name_of),
        seq: line.seq,
    })
}

fn repaired(line: &Canonical<'_>) -> What {
    #[derive(Default, Deserialize)]
    struct Form {
        #[serde(default)]
        lines: u64,
        #[serde(default)]
        bytes: u64,
        quarantine: Option<String>,
    }
    let Form {
        lines,
        bytes,
        quarantine,
    } = serde_json::from_slice(line.details).unwrap_or_default();
    What::Repaired {
        lines,
        bytes,
        file: quarantine,
    }
}
