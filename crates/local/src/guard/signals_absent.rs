//! Signals where there are next to none: Windows.

/// Nothing to survive: no limit of that kind is told by a signal.
///
/// # Errors
/// Never.
#[allow(clippy::unnecessary_wraps)] // the same face as where there is one
pub fn survive_file_size_limit() -> std::io::Result<()> {
    Ok(())
}
