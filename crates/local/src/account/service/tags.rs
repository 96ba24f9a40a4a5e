//! The digests that stand for an email.

use nightlatch_core::crypto::{Key, keyed_digest};
use nightlatch_core::email::Email;

/// The tag under which failures are counted, for known and unknown emails alike.
pub(super) fn tag(tag_key: &Key, email: &Email) -> [u8; 16] {
    cut(&digest(tag_key, "tag", email))
}

/// As [`tag`], for attempts with a recovery code, which are counted on their own.
pub(super) fn recovery_tag(tag_key: &Key, email: &Email) -> [u8; 16] {
    cut(&digest(tag_key, "recovery tag", email))
}

/// A digest of the email for one purpose, under the home's key.
pub(super) fn digest(tag_key: &Key, purpose: &str, email: &Email) -> [u8; 32] {
    keyed_digest(tag_key, [purpose.as_bytes(), email.normalized().as_bytes()])
}

/// The first bytes of a digest.
pub(super) fn cut<const N: usize>(digest: &[u8; 32]) -> [u8; N] {
    let mut start = [0; N];
    start.copy_from_slice(&digest[..N]);
    start
}
