//! The outcome of what an event is about.

use super::reason::names;

names! {
    /// The outcome of what an event is about.
    Outcome {
        /// Nothing failed and nothing was refused.
        Ok => "ok",
        /// A sign-in, or a password, failed.
        Failed => "failed",
        /// Something was refused: a command, a session, an account, or sign-in after repeated failures.
        Refused => "refused",
        /// A guarded command ended with a code other than 0 or by a signal, or was not started.
        NonZero => "nonzero",
    }
}
