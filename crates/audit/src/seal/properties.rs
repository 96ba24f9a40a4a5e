//! Properties of seals that hold for any bytes in place of a sealed line; see `nightlatch::fuzz`.

use super::{HASH, KEY, Parts, SEALED_END, SEGMENT_KEY, SIG, Seal, UNSEALED_END};

/// Splitting a line and joining its parts gives the same bytes: no byte is ignored, and a seal has
/// only one form.
///
/// # Panics
/// When the property does not hold.
pub fn seal_parts(bytes: &[u8]) -> bool {
    let Some(parts) = Parts::of(bytes) else {
        return false;
    };
    assert_eq!(put_together(&parts), bytes);
    assert!(bytes.starts_with(parts.hashed));
    if let Some(prev) = parts.prev() {
        let end = format!(",\"prev\":\"{prev}\"");
        assert!(parts.hashed.ends_with(end.as_bytes()));
    }
    true
}

fn put_together(parts: &Parts<'_>) -> Vec<u8> {
    let mut line = [parts.hashed, HASH].concat();
    let mut put = |before: &[u8], digits: String| {
        line.extend_from_slice(before);
        line.extend_from_slice(digits.as_bytes());
    };
    put(b"", parts.hash.to_string());
    if let Some(Seal {
        next,
        next_segment,
        signature,
    }) = &parts.seal
    {
        put(KEY, next.to_string());
        if let Some(key) = next_segment {
            put(SEGMENT_KEY, key.to_string());
        }
        put(SIG, signature.to_string());
    }
    let end = if parts.seal.is_some() {
        SEALED_END
    } else {
        UNSEALED_END
    };
    line.extend_from_slice(end);
    line
}
