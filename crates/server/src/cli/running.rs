//! The runtime for commands that need the database or the network.

use super::Failure;

/// Runs `work` to its end.
///
/// # Errors
/// When the runtime does not start, or those of `work`.
pub fn block_on(work: impl Future<Output = Result<u8, Failure>>) -> Result<u8, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(work)
}
