//! What records say that other schemas have a place for.

use std::borrow::Cow;

use serde::Deserialize;

use crate::audit_name::UNKNOWN_NAME;
use crate::record::Record;

/// What our records say of their maker.
pub(super) const PRODUCT: &str = "nightlatch";

/// What the details say that other schemas have a place for.
#[derive(Default, Deserialize)]
pub(super) struct Said<'a> {
    #[serde(borrow)]
    pub(super) reason: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) error: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) exec_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) program: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) segment: Option<Cow<'a, str>>,
    pub(super) exit_code: Option<i32>,
    pub(super) signal: Option<i32>,
    pub(super) duration_ms: Option<u64>,
}

impl<'a> Said<'a> {
    /// Details that are not of the catalogue's form, in a log that was tampered with, say nothing.
    pub(super) fn of(record: &'a Record) -> Self {
        serde_json::from_str(record.details.get()).unwrap_or_default()
    }
}

/// The email in a line's `username`; `None` when it names no account.
pub(super) fn email(record: &Record) -> Option<&str> {
    record
        .username
        .as_deref()
        .filter(|&name| name != UNKNOWN_NAME)
}
