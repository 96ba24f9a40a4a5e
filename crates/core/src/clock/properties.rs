//! Properties of time parsing that hold for any input.

use std::time::Duration;

use super::Timestamp;

/// An accepted time is written so that it parses back to the same microsecond.
pub fn timestamp(bytes: &[u8]) -> bool {
    let Some(time) = std::str::from_utf8(bytes)
        .ok()
        .and_then(Timestamp::parse_rfc3339)
    else {
        return false;
    };
    let written = time.to_rfc3339();
    let again = Timestamp::parse_rfc3339(&written);
    assert_eq!(again.map(Timestamp::to_rfc3339), Some(written));
    assert!(
        again.is_some_and(|again| again <= time && time.since(again) < Duration::from_micros(1))
    );
    true
}
