//! How much is kept.

/// The longest value, in bytes.
pub const VALUE_MAX_BYTES: usize = 64 * 1024;
/// How many versions of a secret are kept, the current one included.
pub const KEPT_VERSIONS: u64 = 10;
