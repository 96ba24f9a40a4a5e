//! How a successful command ends.

/// How a successful command ends.
pub enum End {
    Done,
    /// With the exit code of the command that was run, or of the question that was answered.
    Code(u8),
    /// By the signal that ended the command that was run.
    Signal(i32),
}
