//! Facts in records that other schemas have fields for.

use std::borrow::Cow;

use serde::Deserialize;

use crate::audit_name::UNKNOWN_NAME;
use crate::record::Record;

/// The product name in exported records.
pub(super) const PRODUCT: &str = "nightlatch";

/// The details that other schemas have fields for.
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
    /// Empty if the details do not have the catalogue's form, as in a log that was tampered with.
    pub(super) fn of(record: &'a Record) -> Self {
        serde_json::from_str(record.details.get()).unwrap_or_default()
    }
}

/// The email in a line's `username`; `None` if that is not an account.
pub(super) fn email(record: &Record) -> Option<&str> {
    record
        .username
        .as_deref()
        .filter(|&name| name != UNKNOWN_NAME)
}
