//! What exports in other schemas have in common.

use crate::audit_name::UNKNOWN_NAME;
use crate::record::Record;

/// The product name in exported records.
pub(super) const PRODUCT: &str = "nightlatch";

/// The email in a line's `username`; `None` if that is not an account.
pub(super) fn email(record: &Record) -> Option<&str> {
    record
        .username
        .as_deref()
        .filter(|&name| name != UNKNOWN_NAME)
}
