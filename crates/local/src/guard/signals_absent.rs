//! Signals on Windows, which has next to none.

/// Does nothing: Windows sends no signal for a file size limit.
///
/// # Errors
/// Never.
#[allow(clippy::unnecessary_wraps)] // the same signature as on Unix
pub fn survive_file_size_limit() -> std::io::Result<()> {
    Ok(())
}
