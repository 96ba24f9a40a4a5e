//! What the catalogue says of an event, beside its name.

use crate::outcome::Outcome;

/// `activity_id` for activities that OCSF does not define.
pub(crate) const OTHER: u32 = 99;

/// A class of OCSF 1.3.0.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// For types that this version does not know.
    BaseEvent = 0,
    ProcessActivity = 1007,
    EventLogActivity = 1008,
    AccountChange = 3001,
    Authentication = 3002,
    EntityManagement = 3004,
}

/// Which events of a type are successes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Success {
    Always,
    Never,
    /// [`Details::success`](crate::Details::success) decides.
    ByDetails,
}

/// The outcome in exports.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExportedOutcome {
    /// Success or failure, as in the line.
    AsInLine,
    /// The outcome is not known when the event is recorded.
    Unknown,
    /// What the event is about succeeded, although it is not counted as a success.
    Success,
}

/// A row of the catalogue.
pub(crate) struct Row {
    pub(crate) success: Success,
    /// The outcome of an event that is no success.
    pub(crate) failure: Outcome,
    /// The class, `activity_id` and `activity_name`: from the schema, or our own name with
    /// [`OTHER`].
    pub(crate) ocsf: (Class, u32, &'static str),
    /// `event.category` and `event.type`.
    pub(crate) ecs: (&'static str, &'static [&'static str]),
    pub(crate) exported: ExportedOutcome,
    /// Whether it is of medium severity even if it is a success.
    pub(crate) is_severe: bool,
    /// Whether `reason` is a text that a person wrote, not a code.
    pub(crate) reason_is_text: bool,
    /// The event in one sentence, without its full stop; `{who}` and the like are filled in.
    pub(crate) sentence: &'static str,
    /// The sentence if the event is no success.
    pub(crate) failed: &'static str,
}

impl Row {
    /// An event that is always a success.
    pub(super) const fn new(
        sentence: &'static str,
        ocsf: (Class, u32, &'static str),
        ecs: (&'static str, &'static [&'static str]),
    ) -> Self {
        Self {
            success: Success::Always,
            failure: Outcome::Failed,
            ocsf,
            ecs,
            exported: ExportedOutcome::AsInLine,
            is_severe: false,
            reason_is_text: false,
            sentence,
            failed: sentence,
        }
    }

    /// An event that is never a success.
    pub(super) const fn never_succeeds(self, failure: Outcome) -> Self {
        Self {
            success: Success::Never,
            failure,
            ..self
        }
    }

    /// An event whose details say whether it is a success, with the sentence for one that is none.
    pub(super) const fn may_fail(self, failure: Outcome, failed: &'static str) -> Self {
        Self {
            success: Success::ByDetails,
            failure,
            failed,
            ..self
        }
    }

    pub(super) const fn exported_as(self, exported: ExportedOutcome) -> Self {
        Self { exported, ..self }
    }

    pub(super) const fn severe(self) -> Self {
        Self {
            is_severe: true,
            ..self
        }
    }

    pub(super) const fn reason_is_text(self) -> Self {
        Self {
            reason_is_text: true,
            ..self
        }
    }
}
