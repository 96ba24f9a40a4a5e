//! Times as the report shows them.

use nightlatch_core::clock::Timestamp;

/// To the second, in UTC: `2026-11-20 23:41:07`.
pub fn second(time: Timestamp) -> String {
    time.to_rfc3339()[..19].replace('T', " ")
}

/// To the minute, in UTC: `2026-11-20 23:41`.
pub fn minute(time: Timestamp) -> String {
    time.to_rfc3339()[..16].replace('T', " ")
}
