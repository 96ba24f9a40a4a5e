//! How a command that did not fail ends.

/// How a command that did not fail ends.
pub enum End {
    Done,
    /// With the exit code of the command it ran, or of the question it answered.
    Code(u8),
    /// By the signal that ended the command it ran.
    Signal(i32),
}
